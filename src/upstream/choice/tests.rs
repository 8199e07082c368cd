use super::*;

const MS: Duration = Duration::from_millis(1);

struct One {
    load: Load,
    usable: Cell<bool>,
    since: Cell<Instant>,
    latency: Cell<Duration>,
    name: u64,
}

impl Candidate for One {
    fn load(&self) -> &Load {
        &self.load
    }

    fn is_usable(&self, _now: Instant) -> bool {
        self.usable.get()
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since.get())
    }

    fn identity(&self) -> u64 {
        self.name
    }
}

fn fleet(count: usize, begin: Instant) -> Vec<One> {
    let one = |place: usize| One {
        load: Load::default(),
        usable: Cell::new(true),
        since: Cell::new(begin),
        latency: Cell::new(MS * 10),
        name: identity(format!("10.0.0.{place}:80").as_bytes()),
    };
    (0..count).map(one).collect()
}

/// Sends requests at even times and lets each last as long as its endpoint takes; how many went where.
struct Simulation {
    now: Instant,
    dice: Dice,
    under_way: Vec<(Instant, Instant, usize)>,
}

impl Simulation {
    fn new(begin: Instant, seed: u64) -> Self {
        Self { now: begin, dice: Dice::seeded(seed), under_way: Vec::new() }
    }

    fn run(&mut self, fleet: &[One], requests: usize, every: Duration) -> Vec<usize> {
        let mut shares = vec![0; fleet.len()];
        for _ in 0..requests {
            self.now += every;
            let now = self.now;
            self.under_way.retain(|&(end, sent, place)| {
                let over = end <= now;
                if over {
                    fleet[place].load.answered(end - sent, end);
                    fleet[place].load.leave();
                }
                !over
            });
            let place = choose(fleet, &[], None, &self.dice, now).unwrap();
            shares[place] += 1;
            fleet[place].load.enter();
            self.under_way.push((now + fleet[place].latency.get(), now, place));
        }
        shares
    }
}

#[test]
fn who_is_ten_times_slower_gets_a_small_share() {
    for seed in 0..10 {
        let begin = Instant::now();
        let fleet = fleet(3, begin);
        fleet[1].latency.set(MS * 100);
        let shares = Simulation::new(begin, seed).run(&fleet, 20_000, MS);
        assert!(shares[1] < 20_000 / 15, "{seed}: {shares:?}");
        assert!(shares[1] > 0, "{seed}: it is tried now and then: {shares:?}");
        assert!(shares[0].abs_diff(shares[2]) < 1_500, "{seed}: {shares:?}");
    }
}

#[test]
fn who_cannot_be_used_gets_nothing_and_comes_back_slowly() {
    for seed in 0..10 {
        let begin = Instant::now();
        let fleet = fleet(3, begin);
        let mut simulation = Simulation::new(begin, seed);
        fleet[0].usable.set(false);
        assert_eq!(simulation.run(&fleet, 15_000, MS)[0], 0);
        fleet[0].usable.set(true);
        fleet[0].since.set(simulation.now);
        let first = simulation.run(&fleet, 1_000, MS)[0];
        assert!((10..250).contains(&first), "{seed}: {first} of the first thousand");
        simulation.run(&fleet, 10_000, MS);
        let share = simulation.run(&fleet, 6_000, MS)[0];
        assert!((1_600..2_400).contains(&share), "{seed}: {share} of six thousand");
    }
}

#[test]
fn who_was_slow_once_is_tried_again() {
    let begin = Instant::now();
    let fleet = fleet(2, begin);
    let mut simulation = Simulation::new(begin, 7);
    fleet[0].latency.set(MS * 2_000);
    simulation.run(&fleet, 5_000, MS * 2);
    fleet[0].latency.set(MS * 10);
    simulation.run(&fleet, 40_000, MS * 2);
    let shares = simulation.run(&fleet, 4_000, MS * 2);
    assert!(shares[0] > 1_200, "{shares:?}");
}

#[test]
fn if_none_can_be_used_all_are() {
    let begin = Instant::now();
    let fleet = fleet(3, begin);
    fleet.iter().for_each(|one| one.usable.set(false));
    let shares = Simulation::new(begin, 1).run(&fleet, 3_000, MS);
    assert!(shares.iter().all(|&share| share > 700), "{shares:?}");
}

#[test]
fn who_was_tried_is_left_out_while_there_is_another() {
    let begin = Instant::now();
    let fleet = fleet(3, begin);
    let dice = Dice::seeded(3);
    for _ in 0..100 {
        assert_eq!(choose(&fleet, &[0, 2], None, &dice, begin), Some(1));
        assert!(choose(&fleet, &[0, 1, 2], None, &dice, begin).is_some());
    }
    // Even one that is passed over is better than the one that just failed.
    fleet[1].usable.set(false);
    assert_eq!(choose(&fleet, &[0, 2], None, &dice, begin), Some(1));
}

#[test]
fn the_loss_of_one_moves_only_its_share() {
    let begin = Instant::now();
    let fleet = fleet(5, begin);
    let dice = Dice::seeded(5);
    let places = || -> Vec<usize> {
        (0..10_000u64).map(|key| choose(&fleet, &[], Some(mix(key)), &dice, begin).unwrap()).collect()
    };
    let before = places();
    for place in 0..5 {
        let share = before.iter().filter(|&&at| at == place).count();
        assert!((1_800..2_200).contains(&share), "{place}: {share}");
    }
    fleet[3].usable.set(false);
    for (was, is) in before.iter().zip(places()) {
        assert!(if *was == 3 { is != 3 } else { is == *was });
    }
    fleet[3].usable.set(true);
    assert_eq!(before, places());
}

#[test]
fn one_that_fails_fast_does_not_look_fast() {
    let begin = Instant::now();
    let fleet = fleet(2, begin);
    let now = begin + SLOW_START;
    fleet[0].load.failed(MS, now);
    fleet[1].load.answered(MS * 50, now);
    let dice = Dice::seeded(1);
    assert!((0..50).all(|_| choose(&fleet, &[], None, &dice, now) == Some(1)));
}

#[test]
fn who_is_new_gets_a_share_even_where_nothing_is_under_way() {
    for seed in 0..10 {
        let begin = Instant::now();
        let fleet = fleet(2, begin);
        let mut simulation = Simulation::new(begin, seed);
        fleet[0].usable.set(false);
        simulation.run(&fleet, 1_000, MS * 20);
        fleet[0].usable.set(true);
        fleet[0].since.set(simulation.now);
        let share = simulation.run(&fleet, 100, MS * 20)[0];
        assert!((3..50).contains(&share), "{seed}: {share} of a hundred");
    }
}
