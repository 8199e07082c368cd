//! The generic concerns around an exchange, as one tower stack.

use std::{
    convert::Infallible,
    rc::Rc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::{BoxError, Service, ServiceBuilder, layer::layer_fn, service_fn};

use super::Exchange;
use crate::gateway::connection::{Connection, Pressure, Upload};

/// A request and the connection it came on.
pub(super) type Arrival = (Rc<Connection>, Request<Upload>);

/// Never fails, though tower cannot say so. From the outside in: whatever fails becomes the neutral answer; what cannot start at once is shed rather than queued,
/// since a queue would hold the very memory that is short; then the limit; then the exchange.
pub(super) fn stack<E: Exchange>(
    exchange: Rc<E>,
    pressure: Rc<Pressure>,
) -> impl Service<Arrival, Response = Response<E::Body>, Error = BoxError, Future: 'static> + Clone + 'static
{
    let neutral = exchange.clone();
    ServiceBuilder::new()
        .map_result(move |answer: Result<_, BoxError>| {
            Ok::<_, BoxError>(answer.unwrap_or_else(|_| neutral.overloaded()))
        })
        .load_shed()
        .layer(layer_fn(move |inner| LimitExchanges { inner, pressure: pressure.clone() }))
        .service(service_fn(move |(connection, request): Arrival| {
            let exchange = exchange.clone();
            // In a box: each layer above, and hyper, moves the future once more, and it is large.
            Box::pin(async move { Ok::<_, Infallible>(exchange.handle(connection, request).await) })
        }))
}

/// Not ready while the worker has more exchanges than its share, with what is kept for those who are given up last: who
/// that is, the exchange knows when it has a route.
///
/// tower's own limit counts until the response head; ours count until the end of the body, and the limit may change.
#[derive(Clone, Debug)]
struct LimitExchanges<S> {
    inner: S,
    pressure: Rc<Pressure>,
}

impl<S: Service<Arrival>> Service<Arrival> for LimitExchanges<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.pressure.is_full() {
            // Nobody waits for this: the shedder above takes it as a no.
            return Poll::Pending;
        }
        self.inner.poll_ready(context)
    }

    fn call(&mut self, arrival: Arrival) -> S::Future {
        self.inner.call(arrival)
    }
}
