//! Judges what clients were told of one tree: is there an order of what they sent, each call at one
//! instant between its sending and its answer, in which every answer is right? What was not
//! answered may have happened at any instant since it was sent, or never. The search is that of
//! Wing and Gong, with Lowe's memory of what was tried, the most promising place first.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};

use crate::model::{Accounts, Answer, Call, Instant, State};

/// So many places are looked at before the judge gives up, which is not an acquittal.
const PLACES_MAX: usize = 200_000;
/// That something has happened that was not answered is believed where it explains so many answers
/// more than another order.
const PRICE_OF_UNKNOWN: i64 = 3;
/// The same where it was sent again, and that was answered before: few come so late.
const PRICE_OF_LATE: i64 = 6;
/// The same where it explains no answer at once.
const PRICE_OF_UNSEEN: i64 = 8;

/// One attempt of one client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Attempt {
    pub(crate) client: usize,
    pub(crate) call: Call,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    pub(crate) answer: Answer,
}

/// A history: what was answered and what was not, each in the order in which it was sent.
struct Case<'a> {
    accounts: &'a Accounts,
    known: Vec<&'a Attempt>,
    /// Those that were not answered, and the place of the answer to the same call in what was.
    unknown: Vec<(&'a Attempt, Option<usize>)>,
    /// Who uses a name: places in what was answered. What was not answered uses its names for ever.
    names: BTreeMap<&'a str, Vec<usize>>,
    kept: HashSet<&'a str>,
}

/// A place of the search: what has happened, and where the tree stands then.
struct Place<'a> {
    /// Of what was answered all before this has happened, and these.
    first_open: usize,
    ahead: BTreeSet<usize>,
    /// Of what was not answered these have happened.
    happened: BTreeSet<usize>,
    done: usize,
    /// Of what has happened without an answer.
    price: i64,
    state: State<'a>,
}

/// What may be next.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    promise: i64,
    /// The newest first.
    place: usize,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Answered,
    /// What was not answered, and explains an answer that nothing else explains.
    NotAnswered,
    /// The same, of what was sent again.
    Late,
    /// What was not answered and explains nothing yet.
    Unseen,
}

struct Search<'a> {
    case: &'a Case<'a>,
    places: Vec<Place<'a>>,
    next: BinaryHeap<Next>,
    tried: HashSet<(u64, u64)>,
}

/// An order that explains a history.
#[derive(Debug)]
pub(crate) struct Order {
    /// Calls that were not answered and have happened.
    pub(crate) happened: usize,
    /// So many places were looked at.
    pub(crate) places: usize,
}

/// Whether there is such an order.
///
/// # Errors
/// How far one comes, and what then cannot be explained; or that there is too much to look at.
pub(crate) fn judge(accounts: &Accounts, history: &[Attempt]) -> Result<Order, String> {
    check_ids(history)?;
    let case = Case::of(accounts, history);
    let mut search = Search {
        case: &case,
        places: vec![],
        next: BinaryHeap::new(),
        tried: HashSet::new(),
    };
    let (ahead, happened) = (BTreeSet::new(), BTreeSet::new());
    search.put(Place {
        first_open: 0,
        ahead,
        happened,
        done: 0,
        price: 0,
        state: State::of(accounts),
    });
    search.run()
}

impl<'a> Case<'a> {
    fn of(accounts: &'a Accounts, history: &'a [Attempt]) -> Self {
        let (mut unknown, mut known): (Vec<_>, Vec<_>) = history
            .iter()
            .partition(|attempt: &&Attempt| attempt.answer == Answer::Unknown);
        known.sort_by_key(|attempt| (attempt.sent, attempt.answered));
        unknown.sort_by_key(|attempt| attempt.sent);
        let mut calls: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        known
            .iter()
            .enumerate()
            .for_each(|(at, attempt)| calls.entry(attempt.client).or_default().push(at));
        let answer = |attempt: &Attempt| {
            let next = calls
                .get(&attempt.client)?
                .iter()
                .copied()
                .find(|at| known[*at].sent > attempt.sent)?;
            (known[next].call == attempt.call).then_some(next)
        };
        let unknown = unknown
            .into_iter()
            .map(|attempt| (attempt, answer(attempt)))
            .collect::<Vec<_>>();
        let mut names: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, attempt) in known.iter().enumerate() {
            attempt
                .call
                .names()
                .into_iter()
                .for_each(|name| names.entry(name).or_default().push(at));
        }
        let kept = unknown
            .iter()
            .flat_map(|(attempt, _)| attempt.call.names())
            .collect();
        Self {
            accounts,
            known,
            unknown,
            names,
            kept,
        }
    }

    /// What was answered and can be next, what was answered first at its head, and until when that
    /// must be.
    fn open(&self, place: &Place<'a>) -> (Vec<usize>, Instant) {
        let (mut open, mut last) = (vec![], Instant::MAX);
        for (at, attempt) in self.known.iter().enumerate().skip(place.first_open) {
            if attempt.sent > last {
                break;
            }
            if !place.has(at) {
                last = last.min(attempt.answered);
                open.push(at);
            }
        }
        open.retain(|at| self.known[*at].sent <= last);
        open.sort_by_key(|at| (self.known[*at].answered, self.known[*at].sent));
        (open, last)
    }
}

impl Place<'_> {
    /// Whether that answer is explained.
    fn has(&self, known: usize) -> bool {
        known < self.first_open || self.ahead.contains(&known)
    }
}

fn seal(place: &Place<'_>) -> (u64, u64) {
    let sealed = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (
            salt,
            place.first_open,
            &place.ahead,
            &place.happened,
            &place.state,
        )
            .hash(&mut hasher);
        hasher.finish()
    };
    (sealed(0), sealed(1))
}

const PRICES: [(What, i64); 3] = [
    (What::NotAnswered, PRICE_OF_UNKNOWN),
    (What::Late, PRICE_OF_LATE),
    (What::Unseen, PRICE_OF_UNSEEN),
];

fn price_of(what: What) -> i64 {
    PRICES
        .iter()
        .find(|(of, _)| *of == what)
        .map_or(0, |(_, price)| *price)
}

fn promise(place: &Place<'_>) -> i64 {
    i64::try_from(place.done).unwrap_or(i64::MAX) - place.price
}

impl<'a> Search<'a> {
    fn put(&mut self, place: Place<'a>) {
        if self.tried.insert(seal(&place)) {
            self.next.push(Next {
                promise: promise(&place),
                place: self.places.len(),
                what: What::Answered,
            });
            self.places.push(place);
        }
    }

    fn run(mut self) -> Result<Order, String> {
        let all = self.case.known.len();
        while let Some(Next {
            place: at, what, ..
        }) = self.next.pop()
        {
            let (place, places) = (&self.places[at], self.places.len());
            if place.done == all {
                return Ok(Order {
                    happened: place.happened.len(),
                    places,
                });
            }
            if places > PLACES_MAX {
                return Err(format!(
                    "nobody knows after {places} places; {}",
                    self.farthest()
                ));
            }
            let (open, last) = self.case.open(place);
            let promise = promise(place);
            if what == What::Answered {
                let (next, is_free) = self.after_answers(at, &open, last);
                // What is put last is looked at first.
                next.into_iter().rev().for_each(|place| self.put(place));
                if !is_free {
                    for (what, price) in PRICES {
                        self.next.push(Next {
                            promise: promise - price,
                            place: at,
                            what,
                        });
                    }
                }
            } else {
                let next = self.after_no_answer(at, &open, last, what);
                next.into_iter().for_each(|place| self.put(place));
            }
        }
        Err(format!(
            "no order explains all of {all} answers; {}",
            self.farthest()
        ))
    }

    /// Places after one more answer. If one changes nothing, and never would, it is the only one,
    /// and `true`: whatever can come can come after it.
    fn after_answers(&self, from: usize, open: &[usize], last: Instant) -> (Vec<Place<'a>>, bool) {
        let place = &self.places[from];
        let mut next = vec![];
        for at in open.iter().copied() {
            for state in self.explained(&place.state, at, last) {
                let is_free = state == place.state && !self.case.known[at].call.sets();
                let after = self.after(place, at, state);
                if is_free {
                    return (vec![after], true);
                }
                next.push(after);
            }
        }
        (next, false)
    }

    /// Where the tree can stand after an answer.
    fn explained(
        &self,
        state: &State<'a>,
        at: usize,
        last: Instant,
    ) -> impl Iterator<Item = State<'a>> {
        let (accounts, attempt) = (self.case.accounts, self.case.known[at]);
        let instants = state.instants(&attempt.call, attempt.sent, last, true);
        instants.into_iter().filter_map(move |instant| {
            state.after(accounts, &attempt.call, &attempt.answer, instant)
        })
    }

    fn after(&self, place: &Place<'a>, at: usize, mut state: State<'a>) -> Place<'a> {
        let (case, mut ahead, mut first_open) = (self.case, place.ahead.clone(), place.first_open);
        ahead.insert(at);
        while ahead.remove(&first_open) {
            first_open += 1;
        }
        let is_open = |user: &usize| *user >= first_open && !ahead.contains(user);
        state.forget(&case.known[at].call.names(), |name| {
            case.kept.contains(name)
                || case
                    .names
                    .get(name)
                    .is_some_and(|users| users.iter().any(is_open))
        });
        Place {
            first_open,
            ahead,
            happened: place.happened.clone(),
            done: place.done + 1,
            price: place.price,
            state,
        }
    }

    /// Places after something that was not answered, if it changes anything.
    fn after_no_answer(
        &self,
        from: usize,
        open: &[usize],
        last: Instant,
        what: What,
    ) -> Vec<Place<'a>> {
        let (case, place) = (self.case, &self.places[from]);
        let is_explained =
            |state: &State<'a>, at: usize| self.explained(state, at, last).next().is_some();
        let blocked: Vec<usize> = open
            .iter()
            .copied()
            .filter(|at| !is_explained(&place.state, *at))
            .collect();
        if what != What::Unseen && blocked.is_empty() {
            return vec![];
        }
        let mut next = vec![];
        for (at, (attempt, answer)) in case
            .unknown
            .iter()
            .enumerate()
            .take_while(|(_, (attempt, _))| attempt.sent <= last)
        {
            let is_late = answer.is_some_and(|answer| place.has(answer));
            if place.happened.contains(&at)
                || what != What::Unseen && is_late != (what == What::Late)
            {
                continue;
            }
            for instant in place
                .state
                .instants(&attempt.call, attempt.sent, last, false)
            {
                let state =
                    place
                        .state
                        .after(case.accounts, &attempt.call, &attempt.answer, instant);
                let Some(state) = state.filter(|state| !state.is_but_later_than(&place.state))
                else {
                    continue;
                };
                let is_seen = blocked.iter().any(|at| is_explained(&state, *at));
                if is_seen == (what == What::Unseen) {
                    continue;
                }
                let mut happened = place.happened.clone();
                happened.insert(at);
                let (ahead, price) = (place.ahead.clone(), place.price + price_of(what));
                next.push(Place {
                    first_open: place.first_open,
                    ahead,
                    happened,
                    done: place.done,
                    price,
                    state,
                });
            }
        }
        next
    }

    /// What is said of the place where most is explained.
    fn farthest(&self) -> String {
        let Some(place) = self.places.iter().max_by_key(|place| promise(place)) else {
            return String::new();
        };
        let mut told = format!("after {} of them none of these can be next:\n", place.done);
        for at in self.case.open(place).0 {
            let _ = writeln!(told, "  {:?}", self.case.known[at]);
        }
        let _ = write!(told, "at {:?}", place.state);
        told
    }
}

/// Every id stands for one thing, and every key for one event.
fn check_ids(history: &[Attempt]) -> Result<(), String> {
    let (mut of_key, mut of_id) = (BTreeMap::new(), BTreeMap::new());
    for attempt in history {
        let (kind, name, id) = match (&attempt.call, &attempt.answer) {
            (Call::Consume { key, .. }, Answer::Recorded { id, .. }) => ("event", key, id),
            (Call::Correct { key, .. }, Answer::Event(id)) => ("event", key, id),
            (Call::Settle { key, .. }, Answer::Event(id)) => ("event of hold", key, id),
            (Call::Reserve { key, .. }, Answer::Held { id, .. }) => ("hold", key, id),
            (
                Call::Acquire { session, .. } | Call::Renew { session, .. },
                Answer::Leased { id, .. },
            ) => ("lease", session, id),
            _ => continue,
        };
        let other = of_id
            .insert(id, (kind, name))
            .filter(|other| *other != (kind, name));
        if let Some((_, other)) = other {
            return Err(format!("{name} and {other} were told of one id, {id}"));
        }
        // A session may have one lease after another.
        let other = of_key
            .insert((kind, name), id)
            .filter(|other| kind != "lease" && *other != id);
        if let Some(other) = other {
            return Err(format!("the {kind} {name} has two ids, {other} and {id}"));
        }
    }
    Ok(())
}
