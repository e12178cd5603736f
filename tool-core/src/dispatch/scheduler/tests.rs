//! Walks every order of events in small worlds, and random ones in larger worlds.

mod model;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::{Scheduler, Spec};
use crate::dispatch::permits::Permits;
use model::{Admission, Event, Group, State, Task, World};

/// Every state that can be reached, the nearest first: the first failure is a shortest one. Returns
/// how many there are.
fn walk(world: &World) -> usize {
    let first = State::new(world);
    let mut seen = HashSet::from([first.fingerprint()]);
    let mut next = VecDeque::from([first]);
    while let Some(state) = next.pop_front() {
        let events = state.events();
        if events.is_empty() {
            state.check_end();
        }
        for event in events {
            let mut after = state.fork();
            after.apply(event);
            if seen.insert(after.fingerprint()) {
                next.push_back(after);
            }
        }
    }
    seen.len()
}

fn walk_all(what: &str, worlds: impl IntoIterator<Item = World>) {
    let (mut count, mut states) = (0, 0);
    for world in worlds {
        count += 1;
        states += walk(&world);
    }
    println!("{what}: {states} states in {count} worlds");
}

const PLAIN: Spec<char> = Spec {
    gate: None,
    key: None,
    exclusive: false,
};
const KEYED: Spec<char> = Spec {
    key: Some('k'),
    ..PLAIN
};
const OTHER: Spec<char> = Spec {
    key: Some('o'),
    ..PLAIN
};
const GATED: Spec<char> = Spec {
    gate: Some(0),
    ..PLAIN
};
const BARRIER: Spec<char> = Spec {
    exclusive: true,
    ..PLAIN
};

use Admission::{AtOnce, Borrowed, Decided, Early};

/// Where three calls are: the batches with the call that dispatches each, and the batch of each
/// call.
const SHAPES: [(&[Option<usize>], [usize; 3]); 6] = [
    (&[None], [0, 0, 0]),
    (&[None, None], [0, 0, 1]),
    (&[None, Some(0)], [0, 1, 1]),
    (&[None, Some(0)], [0, 0, 1]),
    (&[None, None, Some(0)], [0, 1, 2]),
    (&[None, Some(0), Some(1)], [0, 1, 2]),
];

/// The worlds of three calls, each of one of the kinds.
fn worlds(kinds: &[Spec<char>], admission: Admission, permits: usize) -> Vec<World> {
    let all = || 0..kinds.len();
    let triples = all().flat_map(|a| all().flat_map(move |b| all().map(move |c| [a, b, c])));
    let of = |(parents, groups): (&[Option<usize>], [usize; 3]), triple: [usize; 3]| World {
        permits,
        gates: vec![1],
        groups: parents
            .iter()
            .map(|parent| Group {
                parent: *parent,
                admission,
            })
            .collect(),
        tasks: groups
            .iter()
            .zip(triple)
            .map(|(group, kind)| Task::known(*group, kinds[kind].clone()))
            .collect(),
        ..World::default()
    };
    triples
        .flat_map(|triple| SHAPES.into_iter().map(move |shape| of(shape, triple)))
        .collect()
}

#[test]
fn three_calls() {
    for permits in [1, 2] {
        walk_all(
            "three calls",
            worlds(&[PLAIN, KEYED, GATED, BARRIER], AtOnce, permits),
        );
    }
}

#[test]
fn three_calls_of_two_keys() {
    let kinds = [
        KEYED,
        OTHER,
        Spec {
            exclusive: true,
            ..KEYED
        },
        Spec {
            gate: Some(0),
            ..KEYED
        },
    ];
    walk_all("two keys", worlds(&kinds, AtOnce, 2));
}

#[test]
fn undecided_calls() {
    let edited = |mut world: World| {
        world.tasks[0].reserved.key = Some('o');
        world
    };
    walk_all("undecided", worlds(&[PLAIN, KEYED, BARRIER], Decided, 1));
    walk_all(
        "edited",
        worlds(&[KEYED, OTHER, BARRIER], Decided, 2)
            .into_iter()
            .map(edited),
    );
}

#[test]
fn held_calls() {
    let held = |world| World {
        holds: true,
        ..world
    };
    let exclusive = Spec {
        exclusive: true,
        ..KEYED
    };
    let kinds = [PLAIN, KEYED, BARRIER, exclusive];
    walk_all("held", worlds(&kinds, Decided, 1).into_iter().map(held));
    walk_all(
        "held turn",
        worlds(&[PLAIN, KEYED, BARRIER], AtOnce, 2)
            .into_iter()
            .map(as_turn)
            .map(held),
    );
}

/// As calls of a turn: only whether one is a barrier is known before it is complete.
fn as_turn(mut world: World) -> World {
    for task in world
        .tasks
        .iter_mut()
        .filter(|task| world.groups[task.group].parent.is_none())
    {
        task.reserved = Spec {
            exclusive: task.spec.exclusive,
            ..PLAIN
        };
    }
    for group in world
        .groups
        .iter_mut()
        .filter(|group| group.parent.is_none())
    {
        group.admission = Early;
    }
    world
}

#[test]
fn early_calls() {
    walk_all(
        "early",
        worlds(&[PLAIN, KEYED, GATED], AtOnce, 1)
            .into_iter()
            .map(as_turn),
    );
    walk_all(
        "early",
        worlds(&[PLAIN, KEYED, BARRIER], AtOnce, 2)
            .into_iter()
            .map(as_turn),
    );
}

#[test]
fn barriers_behind_barriers() {
    let alternating = [PLAIN, BARRIER, PLAIN, BARRIER].map(|spec| Task::known(0, spec));
    let groups = vec![Group {
        parent: None,
        admission: AtOnce,
    }];
    walk_all(
        "barriers",
        [World {
            permits: 3,
            groups,
            tasks: alternating.to_vec(),
            ..World::default()
        }],
    );
    let both = Spec {
        gate: Some(0),
        ..KEYED
    };
    for permits in [1, 2, 3] {
        walk_all(
            "key or limit",
            [
                crowd([&[GATED], &[KEYED], std::slice::from_ref(&both)], permits),
                crowd([&[KEYED], &[GATED, KEYED], &[both.clone(), PLAIN]], permits),
            ],
        );
    }
}

#[test]
fn cancelled_batches() {
    let cancelled = |world| World {
        cancels: true,
        ..world
    };
    walk_all(
        "cancelled",
        worlds(&[PLAIN, KEYED, BARRIER], AtOnce, 1)
            .into_iter()
            .map(cancelled),
    );
    walk_all(
        "cancelled turn",
        worlds(&[KEYED], AtOnce, 1)
            .into_iter()
            .map(as_turn)
            .map(cancelled),
    );
}

/// Three batches of the program.
fn crowd(kinds: [&[Spec<char>]; 3], permits: usize) -> World {
    let tasks = kinds.iter().enumerate().flat_map(|(group, kinds)| {
        kinds
            .iter()
            .map(move |kind| Task::known(group, kind.clone()))
    });
    World {
        permits,
        gates: vec![1],
        groups: vec![
            Group {
                parent: None,
                admission: AtOnce
            };
            3
        ],
        tasks: tasks.collect(),
        ..World::default()
    }
}

#[test]
fn batches_start_in_turn() {
    for permits in [1, 2] {
        walk_all(
            "plain",
            [crowd(
                [&[PLAIN], &[PLAIN, PLAIN, PLAIN], &[PLAIN, PLAIN]],
                permits,
            )],
        );
        walk_all(
            "keyed",
            [crowd(
                [&[KEYED], &[KEYED, KEYED, KEYED], &[PLAIN, PLAIN]],
                permits,
            )],
        );
        walk_all(
            "gated",
            [crowd(
                [&[GATED], &[GATED, GATED, GATED], &[PLAIN, PLAIN]],
                permits,
            )],
        );
    }
}

#[test]
fn borrowed_permits() {
    let borrow = |mut world: World| {
        world.groups.push(Group {
            parent: None,
            admission: Borrowed,
        });
        world.tasks.push(Task::known(world.groups.len() - 1, PLAIN));
        world
    };
    walk_all(
        "borrowed",
        worlds(&[PLAIN, KEYED, GATED], AtOnce, 2)
            .into_iter()
            .map(borrow),
    );
}

fn spec() -> impl Strategy<Value = Spec<char>> {
    let key = proptest::option::of(prop_oneof![Just('k'), Just('o')]);
    (
        proptest::option::weighted(0.3, 0..2usize),
        key,
        proptest::bool::weighted(0.2),
    )
        .prop_map(|(gate, key, exclusive)| Spec {
            gate,
            key,
            exclusive,
        })
}

prop_compose! {
    /// Up to five batches of up to twelve calls, each batch in turn dispatched by the program or by
    /// a call of an earlier one.
    fn any_world()(
        permits in 1..4usize,
        gates in [1..3usize, 1..3usize],
        groups in proptest::collection::vec((proptest::option::of(any::<Index>()), prop_oneof![Just(AtOnce), Just(Decided), Just(Early)]), 1..6),
        specs in proptest::collection::vec((any::<Index>(), spec(), proptest::option::of(proptest::option::of(Just('e')))), 1..13),
        (cancels, holds) in any::<(bool, bool)>(),
    ) -> World {
        let mut tasks: Vec<_> = specs.into_iter().map(|(group, spec, edited)| {
            let key = edited.unwrap_or(spec.key);
            Task { group: group.index(groups.len()), reserved: Spec { key, ..spec.clone() }, spec }
        }).collect();
        tasks.sort_by_key(|task| task.group);
        let groups: Vec<_> = groups.iter().enumerate().map(|(group, (parent, admission))| {
            let earlier = tasks.iter().filter(|task| task.group < group).count();
            let parent = parent.filter(|_| earlier > 0).map(|parent| parent.index(earlier));
            let admission = if parent.is_some() && *admission == Early { AtOnce } else { *admission };
            Group { parent, admission }
        }).collect();
        for task in tasks.iter_mut().filter(|task| groups[task.group].admission == AtOnce) {
            task.reserved = task.spec.clone();
        }
        World { permits, gates: gates.to_vec(), groups, tasks, cancels, holds }
    }
}

/// From then on, only what brings it to an end.
fn end(mut state: State<'_>) {
    let progress = |state: &State<'_>| {
        let mut events = state.events().into_iter().rev();
        events.find(|event| event.is_progress())
    };
    while let Some(event) = progress(&state).or_else(|| state.deadline()) {
        state.apply(event);
    }
    state.check_end();
}

#[test]
fn calls_that_wait_for_each_other_end_by_their_deadlines() {
    let group = |parent| Group {
        parent,
        admission: AtOnce,
    };
    let keyed = |group, key| {
        let key = Some(key);
        Task::known(group, Spec { key, ..PLAIN })
    };
    let world = World {
        permits: 2,
        groups: vec![group(None), group(Some(0)), group(Some(1))],
        tasks: vec![keyed(0, 'k'), keyed(0, 'o'), keyed(1, 'o'), keyed(2, 'k')],
        ..World::default()
    };
    let mut state = State::new(&world);
    for event in [
        Event::Open(0),
        Event::BeginWait(0),
        Event::BeginWait(1),
        Event::Open(1),
        Event::Open(2),
        Event::LeavePermits(0),
        Event::LeavePermits(1),
    ] {
        state.apply(event);
    }
    assert!(state.events().is_empty() && state.deadline().is_some());
    end(state);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_calls(world in any_world(), choices in proptest::collection::vec(any::<Index>(), 120)) {
        let mut state = State::new(&world);
        for choice in choices {
            let events = state.events();
            if events.is_empty() {
                break;
            }
            state.apply(events[choice.index(events.len())]);
        }
        end(state);
    }
}

#[test]
fn abandoned_calls_leave_nothing_while_permits_are_held() {
    let mut scheduler = Scheduler::<char, usize>::new(Arc::new(Permits::new(1)), []);
    for call in 0..100 {
        let batch = scheduler.open(None, false);
        let id = scheduler.reserve(batch, 0, call, PLAIN);
        scheduler.admit(id, PLAIN);
        if call > 1 {
            scheduler.settle(id); // the first runs, and the second waits
        }
    }
    assert_eq!(
        (
            scheduler.waiting(),
            scheduler.calls.len(),
            scheduler.batches.len(),
            scheduler.turns[0].batches().count()
        ),
        (1, 2, 2, 1)
    );
}

/// Waiting calls of other batches are not visited: the time would be quadratic, and this test would
/// take minutes.
#[test]
fn many_batches_of_one_key_or_one_limit() {
    const MANY: usize = 20_000;
    let both = Spec {
        gate: Some(0),
        ..KEYED
    };
    for spec in [KEYED, GATED, both] {
        let mut scheduler = Scheduler::<char, usize>::new(Arc::new(Permits::new(64)), [1]);
        let mut ids = Vec::new();
        for call in 0..MANY {
            let batch = scheduler.open(None, false);
            let id = scheduler.reserve(batch, 0, call, spec.clone());
            scheduler.admit(id, spec.clone());
            ids.push(id);
        }
        let mut order = Vec::new();
        loop {
            let started = scheduler.take_started();
            if started.is_empty() {
                break;
            }
            assert_eq!(started.len(), 1);
            order.extend(started.iter().copied());
            scheduler.settle(ids[started[0]]);
        }
        assert!(order.iter().copied().eq(0..MANY), "in the order they came");
    }
}
