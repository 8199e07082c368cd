//! What a request pays for its quotas with counters in memory: one, two, and the fields that tell the client.
//!
//! `cargo bench --bench quotas`; add `-- --quick` for a look.

#![allow(clippy::expect_used, reason = "a bench that cannot run should say so")]
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::{hint::black_box, net::IpAddr, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use rempart::{
    limit::{Demand, Limits, Passage, Who},
    policy::set::{Quota, QuotaId, QuotaKey, Rate, Store},
    secret::MasterSecret,
};

fn quota(name: &str, concurrency: Option<u32>) -> Quota {
    Quota {
        name: name.to_owned(),
        by: QuotaKey::Address,
        rate: Some(Rate { count: 1_000_000, per: Duration::from_secs(1) }),
        concurrency,
        shadow: false,
        exempt: Vec::new(),
    }
}

fn bench(criterion: &mut Criterion) {
    let secret = MasterSecret::from_bytes(&[7; 32]).expect("a secret");
    let quotas = [quota("api", None), quota("exports", Some(1000))];
    let limits = Limits::build(&Store::Memory, &secret, None).expect("counters").with_quotas(&quotas, None);
    let address: IpAddr = [192, 0, 2, 1].into();
    let demands = [0, 1].map(|id| Demand { quota: QuotaId(id), who: Who::Address(address) });
    let mut group = criterion.benchmark_group("quotas");
    for (name, asked) in [("one", &demands[..1]), ("with_concurrency", &demands[1..]), ("two", &demands[..])]
    {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut passage = Passage::default();
                // Memory answers at once.
                let passed = limits.pass(black_box(asked), &mut passage).now_or_never();
                assert!(passed.is_some());
                passage
            });
        });
    }
    let mut passage = Passage::default();
    let _passed = limits.pass(&demands[..1], &mut passage).now_or_never();
    group.bench_function("fields", |bencher| bencher.iter(|| black_box(&passage).headers()));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
