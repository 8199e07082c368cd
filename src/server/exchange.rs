//! The gateway as what the server serves.

use std::rc::Rc;

use http::{Request, Response};

use super::Exchange;
use crate::gateway::{Body, Connection, Gateway, connection::Upload};

impl Exchange for Gateway {
    type Body = Body;

    async fn handle(self: Rc<Self>, connection: Rc<Connection>, request: Request<Upload>) -> Response<Body> {
        Gateway::handle(&self, connection, request).await
    }

    fn overloaded(&self) -> Response<Body> {
        Gateway::overloaded(self)
    }
}
