//! Walks every order of transitions that a call's poller, its stoppers and what it runs beside its
//! body can make.

use std::collections::BTreeSet;
use std::task::Waker;

use super::super::Stop;
use super::{Parked, Seat, State, Stopped, Times};

/// The one body that there is.
#[derive(Debug, PartialEq, Eq)]
struct Body;

/// Its deadline, and the times of polls that are over in time or late.
const DEADLINE: u64 = 10;
const TIMES: Times = Times {
    started: 1,
    deadline: DEADLINE,
};
const SEAT: u64 = 7;

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The first poll, on a permit of the poller's or after the scheduler gave it a place.
    Begin {
        borrowed: bool,
    },
    Resume,
    /// A poll is over, and there is no answer; in time, or late.
    Park {
        late: bool,
    },
    /// A poll is over, and there is an answer.
    Finish,
    /// The call is stopped, or stopped only if it has not begun.
    Stop,
    StopUnstarted,
    /// The stopped body is dropped.
    EndStopped,
    BeginNested,
    EndNested,
    BeginOnThread,
    EndOnThread,
    /// The scheduler takes it over: it waits for nested calls.
    Adopt,
}

const EVENTS: [Event; 14] = [
    Event::Begin { borrowed: true },
    Event::Begin { borrowed: false },
    Event::Resume,
    Event::Park { late: false },
    Event::Park { late: true },
    Event::Finish,
    Event::Stop,
    Event::StopUnstarted,
    Event::EndStopped,
    Event::BeginNested,
    Event::EndNested,
    Event::BeginOnThread,
    Event::EndOnThread,
    Event::Adopt,
];

/// A state, and what the world around it knows.
#[derive(Default)]
struct World {
    state: Option<State<Body>>,
    /// The body, while a poller or a stopper has it.
    polled: Option<Body>,
    stopped: Option<Body>,
    /// A stopper is to end it, though there may be no body.
    is_stopping: bool,
    has_begun: bool,
    is_stopped: bool,
    is_over: bool,
    /// It was answered while its body was out.
    was_busy: bool,
    nested: usize,
    threads: usize,
    /// The permit that it runs on: whose it was at first, and whether it is given back.
    borrowed: bool,
    given_back: usize,
}

impl World {
    fn new() -> Self {
        Self {
            state: Some(State::new(true)),
            ..Self::default()
        }
    }

    fn state(&mut self) -> &mut State<Body> {
        self.state.as_mut().unwrap()
    }

    /// Does it if it can happen now. Checks what it brings.
    fn apply(&mut self, event: Event) -> bool {
        match event {
            Event::Begin { borrowed } if !self.has_begun && !self.is_stopped => {
                assert!(self.state().begin(borrowed, || TIMES));
                if !borrowed {
                    self.state().take_seat(SEAT);
                }
                (self.has_begun, self.borrowed, self.polled) = (true, borrowed, Some(Body));
            }
            Event::Begin { borrowed } if self.is_stopped && self.polled.is_none() => {
                assert!(!self.state().begin(borrowed, || TIMES));
                return false;
            }
            Event::Resume if self.has_begun && self.polled.is_none() => {
                let body = self.state().resume();
                assert_eq!(body.is_some(), !self.is_stopped && !self.is_over);
                self.polled = body;
                return self.polled.is_some();
            }
            Event::Park { late } if self.polled.is_some() => {
                let body = self.polled.take().unwrap();
                let now = if late { DEADLINE } else { DEADLINE - 1 };
                let was_stopped = self.is_stopped;
                match self.state().park(body, Waker::noop(), now) {
                    Parked::Yes => assert!(!was_stopped && !late),
                    Parked::Stopped(body, why) => {
                        assert!(was_stopped || late);
                        assert_eq!(why == Stop::Deadline, !was_stopped);
                        (self.stopped, self.is_stopping) = (Some(body), true);
                        self.is_stopped = true;
                    }
                }
            }
            Event::Finish if self.polled.is_some() => {
                self.polled = None;
                self.state().close();
                self.end();
            }
            Event::Stop if !self.is_over && !self.was_busy => {
                let (waits, busy) = (
                    !self.has_begun && !self.is_stopped,
                    self.polled.is_some() || self.is_stopping,
                );
                match self.state().stop(Stop::Cancel) {
                    Stopped::Unstarted => assert!(waits),
                    Stopped::Parked(body) => {
                        assert!(!waits && !busy);
                        self.stopped = Some(body);
                    }
                    Stopped::Busy => {
                        assert!(busy);
                        self.was_busy = true;
                    }
                    Stopped::Over => unreachable!("it is not over"),
                }
                self.is_stopping |= !busy;
                self.is_stopped = true;
            }
            Event::StopUnstarted => {
                let waits = !self.has_begun && !self.is_stopped;
                assert_eq!(self.state().stop_waiting(Stop::Fatal), waits);
                self.is_stopping |= waits;
                self.is_stopped |= waits;
                return waits;
            }
            Event::EndStopped if self.is_stopping => {
                (self.stopped, self.is_stopping) = (None, false);
                self.state().close();
                self.end();
            }
            Event::BeginNested if self.has_begun && self.nested < 2 => {
                let begun = self.state().begin_nested(None).is_ok();
                self.nested += usize::from(begun);
                assert!(
                    !(self.is_over && begun),
                    "a call begins within one that is over"
                );
                return begun;
            }
            Event::EndNested if self.nested > 0 => {
                self.nested -= 1;
                self.state().beside().end_nested();
                self.release();
            }
            Event::BeginOnThread if self.has_begun && self.threads < 1 => {
                let begun = self.state().begin_on_thread();
                self.threads += usize::from(begun);
                assert!(
                    !(self.is_over && begun),
                    "a thread begins for a call that is over"
                );
                return begun;
            }
            Event::EndOnThread if self.threads > 0 => {
                self.threads -= 1;
                self.state().beside().end_on_thread();
                self.release();
            }
            Event::Adopt => {
                let runs = matches!(self.state().seat(), Seat::Borrowed | Seat::Permit);
                assert_eq!(self.state().adopt(SEAT), runs);
                return runs;
            }
            _ => return false,
        }
        true
    }

    fn end(&mut self) {
        self.is_over = true;
        let stays = self.state().end();
        assert!(!stays || (self.borrowed && self.nested + self.threads == 0));
        self.given_back += usize::from(stays);
        self.release();
    }

    fn release(&mut self) {
        let only_nested = self.is_over && self.threads == 0 && self.nested > 0;
        let is_seated = matches!(self.state().seat(), Seat::Scheduled(_));
        assert_eq!(
            self.state().only_nested().is_some(),
            only_nested && is_seated
        );
        let seat = self.state().release();
        self.given_back += usize::from(seat != Seat::None);
    }

    fn check(&mut self) {
        let bodies = [self.polled.is_some(), self.stopped.is_some()];
        assert!(bodies.iter().filter(|there| **there).count() <= 1);
        let ran = usize::from(self.has_begun);
        let ends = self.is_over && self.nested + self.threads == 0;
        assert_eq!(self.given_back, if ends { ran } else { 0 }, "permits");
        assert_eq!(self.state().is_cancelled(), self.is_stopped);
    }

    fn fingerprint(&self) -> String {
        let bodies = (&self.polled, &self.stopped, self.was_busy);
        format!("{:?} {bodies:?}", self.state)
    }
}

#[test]
fn every_order_of_events_gives_a_permit_back_once() {
    let (mut seen, mut next) = (BTreeSet::new(), vec![Vec::new()]);
    while let Some(path) = next.pop() {
        for event in EVENTS {
            let mut world = World::new();
            for event in &path {
                assert!(world.apply(*event));
            }
            if !world.apply(event) {
                continue;
            }
            world.check();
            if seen.insert(world.fingerprint()) {
                next.push([&*path, &[event]].concat());
            }
        }
    }
    println!("{} states", seen.len());
    assert!(seen.len() > 100);
}
