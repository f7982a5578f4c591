//! Rounds of trouble: nodes are killed and stopped, the server is started again, connections are
//! cut, while clients go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::audit::{audit, verify};
use crate::client::Shared;
use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::gate::PATIENCE;
use crate::node::Node;
use crate::proxy::{AtCommit, Met, Proxy};
use crate::request::{Answer, request};

/// Longer than a server waits for a batch that goes on, than a batch waits for a tree, and than a
/// node waits for its server.
const PAST_EVERY_LIMIT: Duration = Duration::from_secs(26);
/// How long a commit takes more, in every other ten rounds.
const COMMIT_DELAY_MICROSECONDS: &str = "20000";
/// So often everything that is kept is compared with what clients were told.
const ROUNDS_PER_AUDIT: u64 = 10;

pub(crate) struct Chaos<'a> {
    pub(crate) cluster: &'a Cluster,
    /// The address of the database for its owner.
    pub(crate) database: &'a str,
    /// A way for each node.
    pub(crate) proxies: &'a [Proxy],
    pub(crate) shared: &'a Shared,
    pub(crate) clients: usize,
    pub(crate) dice: Dice,
    /// Trouble that goes on for many rounds: of which node, and since when.
    pub(crate) lasting: Option<(Lasting, usize, Instant)>,
    /// What comes before anything comes again: every trouble as often as it weighs.
    pub(crate) deck: Vec<Trouble>,
    /// How many decks have been dealt out.
    pub(crate) decks: u64,
    /// Trouble that lasts and is still to come: after how many percent of the rounds.
    pub(crate) to_last: Vec<(u64, Lasting)>,
}

/// Each kind once, where there are enough rounds.
pub(crate) const LASTING: [(u64, Lasting); 2] = [(45, Lasting::Silent), (5, Lasting::Stopped)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    Stopped,
    Silent,
}

/// What is done in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Kill,
    Stop,
    Cut,
    CutAll,
    AtCommit,
    Silence,
    Refuse,
    ServerFast,
    ServerImmediate,
}

impl Trouble {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "nodes killed",
            Self::Stop => "nodes stopped",
            Self::Cut => "ways cut",
            Self::CutAll => "all ways cut",
            Self::AtCommit => "traps set at COMMIT",
            Self::Silence => "ways silent",
            Self::Refuse => "ways closed",
            Self::ServerFast => "servers stopped",
            Self::ServerImmediate => "servers killed",
        }
    }
}

impl Lasting {
    const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "nodes stopped past every limit",
            Self::Silent => "ways silent past every limit",
        }
    }
}

const TROUBLES: [(u64, Trouble); 9] = [
    (16, Trouble::Kill),
    (5, Trouble::Stop),
    (16, Trouble::Cut),
    (8, Trouble::CutAll),
    (34, Trouble::AtCommit),
    (5, Trouble::Silence),
    (6, Trouble::Refuse),
    (4, Trouble::ServerFast),
    (6, Trouble::ServerImmediate),
];

impl Chaos<'_> {
    /// Goes through all rounds.
    ///
    /// # Errors
    /// What must not be, and in which round it was seen.
    pub(crate) fn run(&mut self, rounds: u64) -> Result<(), String> {
        let mut round = 0;
        while round < rounds || self.lasting.is_some() || !self.to_last.is_empty() {
            let percent = round * 100 / rounds.max(1);
            if self.lasting.is_none()
                && let Some((_, kind)) = self.to_last.pop_if(|(from, _)| *from <= percent)
            {
                self.begin(kind);
            }
            let begun = Instant::now();
            let done = self.round();
            done.as_ref()
                .map_err(|what| format!("round {round}: {what}"))?;
            println!(
                "round {round}: {:?} in {} ms",
                done?,
                begun.elapsed().as_millis()
            );
            if round % ROUNDS_PER_AUDIT == ROUNDS_PER_AUDIT - 1 {
                self.look()
                    .map_err(|what| format!("after round {round}: {what}"))?;
                // Whoever looks what became of a batch then finds it on its way.
                let microseconds = if (round / ROUNDS_PER_AUDIT).is_multiple_of(2) {
                    COMMIT_DELAY_MICROSECONDS
                } else {
                    "0"
                };
                self.cluster
                    .set(&[("commit_siblings", "0"), ("commit_delay", microseconds)]);
            }
            round += 1;
        }
        self.calm()
    }

    fn round(&mut self) -> Result<Vec<Trouble>, String> {
        if self
            .lasting
            .is_some_and(|(_, _, since)| since.elapsed() > PAST_EVERY_LIMIT)
        {
            self.end_lasting();
        }
        let mut done = vec![];
        for _ in 0..1 + self.dice.roll(4) / 3 {
            let trouble = self.draw();
            self.make(trouble)?;
            done.push(trouble);
        }
        self.answers(15, 15)?;
        if let Some(node) = self.shared.nodes.iter().position(Node::has_failed) {
            return Err(format!("node {node} has ended by itself"));
        }
        Ok(done)
    }

    fn draw(&mut self) -> Trouble {
        if self.deck.is_empty() {
            self.deck = TROUBLES
                .iter()
                .flat_map(|(weight, trouble)| (0..*weight).map(|_| *trouble))
                .collect();
        }
        let drawn = self.deck.swap_remove(self.dice.index(self.deck.len()));
        self.decks += u64::from(self.deck.is_empty());
        drawn
    }

    /// Whether there was enough of every trouble to say that it was withstood.
    ///
    /// # Errors
    /// What there was too little of.
    pub(crate) fn enough(&self) -> Result<(), String> {
        let figures = &self.shared.told.figures;
        let met = |what: Met| {
            self.proxies
                .iter()
                .map(|proxy| proxy.met(what))
                .sum::<u64>()
        };
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let error = |code: &str| figures.errors().get(code).copied().unwrap_or(0);
        let least = [
            ("whole decks", self.decks, 1),
            (
                "nodes stopped past every limit",
                figures.times(Lasting::Stopped.name()),
                1,
            ),
            (
                "ways silent past every limit",
                figures.times(Lasting::Silent.name()),
                1,
            ),
            (
                "connections cut before COMMIT",
                met(Met::CutBeforeCommit),
                8,
            ),
            ("connections cut at COMMIT", met(Met::CutAtCommit), 8),
            ("connections cut after COMMIT", met(Met::CutAfterCommit), 8),
            ("connections cut", met(Met::Cut), 24),
            ("connections turned away", met(Met::TurnedAway), 6),
            ("words that met silence", met(Met::Silence), 6),
            ("requests not answered", number(&figures.unanswered), 100),
            ("outcomes told unknown", error("MEC_OUTCOME_UNKNOWN"), 10),
            ("told that nothing was recorded", error("MEC_NOT_DONE"), 100),
            ("refusals", number(&figures.refused), 100),
            ("seats that were taken", number(&figures.full), 20),
        ];
        let of_a_deck = TROUBLES
            .map(|(weight, trouble)| (trouble.name(), figures.times(trouble.name()), weight));
        let all = || least.iter().chain(&of_a_deck);
        let told: Vec<String> = all()
            .map(|(what, times, least)| format!("{what} {times} ({least})"))
            .collect();
        println!(
            "{} connections; how often, and how often at least: {}",
            met(Met::Made),
            told.join(", ")
        );
        let rare: Vec<_> = all().filter(|(_, times, least)| times < least).collect();
        if rare.is_empty() {
            Ok(())
        } else {
            Err(format!("there was too little of {rare:?}"))
        }
    }

    /// A node that has no trouble that lasts.
    fn node(&mut self) -> usize {
        let nodes = self.shared.nodes.len();
        let away = self.lasting.map(|(_, node, _)| node);
        loop {
            let node = self.dice.index(nodes);
            if Some(node) != away {
                return node;
            }
        }
    }

    fn make(&mut self, trouble: Trouble) -> Result<(), String> {
        let node = self.node();
        let by_reset = self.dice.happens(50);
        self.shared.told.figures.did(trouble.name());
        match trouble {
            Trouble::Kill => {
                self.shared.nodes[node].kill();
                self.answers(5, 5)?;
                self.start(node)?;
            }
            Trouble::Stop => {
                self.shared.nodes[node].signal("STOP");
                self.a_while()?;
                self.shared.nodes[node].signal("CONT");
            }
            Trouble::Cut => {
                self.proxies[node].cut(by_reset);
            }
            Trouble::CutAll => {
                self.proxies.iter().for_each(|proxy| proxy.cut(by_reset));
            }
            Trouble::AtCommit => {
                // Each kind is the first as often as the others.
                let times = self.shared.told.figures.times(trouble.name());
                let first =
                    AtCommit::ALL[usize::try_from(times).unwrap_or_default() % AtCommit::ALL.len()];
                let more = (0..self.dice.roll(3)).map(|_| self.dice.one_of(&AtCommit::ALL));
                let traps: Vec<AtCommit> = more.chain([first]).collect();
                self.proxies[node].trap(&traps);
                self.answers(10, 10)?;
                self.proxies[node].heal();
            }
            Trouble::Silence => {
                self.proxies[node].fall_silent();
                self.a_while()?;
                if self.dice.happens(50) {
                    self.proxies[node].cut(by_reset);
                }
                self.proxies[node].heal();
            }
            Trouble::Refuse => {
                self.proxies[node].refuse();
                self.proxies[node].cut(by_reset);
                self.answers(5, 15)?;
                self.proxies[node].heal();
            }
            Trouble::ServerFast | Trouble::ServerImmediate => {
                let signal = if matches!(trouble, Trouble::ServerFast) {
                    "INT"
                } else {
                    "QUIT"
                };
                let begun = Instant::now();
                self.cluster.stop(signal);
                self.shared
                    .gate
                    .wait_for("requests in vain", |counts| counts.in_vain >= 12)?;
                self.cluster.run(&[]);
                println!("the server was away for {} ms", begun.elapsed().as_millis());
            }
        }
        Ok(())
    }

    /// Waits for so many answers, of those who want the hot tree and of the others.
    fn answers(&self, hot: u64, others: u64) -> Result<(), String> {
        self.shared.gate.wait_for("answers", |counts| {
            counts.hot >= hot && counts.others >= others
        })
    }

    /// Waits for answers, or for as many clients that are not answered: what the node holds delays
    /// them.
    fn a_while(&self) -> Result<(), String> {
        self.shared.gate.wait_for("answers or none", |counts| {
            counts.hot + counts.others >= 40 || counts.in_vain >= 12
        })
    }

    fn start(&self, node: usize) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while !self.shared.nodes[node].start() {
            if Instant::now() > end {
                return Err(format!(
                    "node {node} does not start: {}",
                    self.shared.nodes[node].said()
                ));
            }
        }
        Ok(())
    }

    fn begin(&mut self, kind: Lasting) {
        let node = self.node();
        self.shared.away.store(node + 1, Ordering::SeqCst);
        match kind {
            Lasting::Stopped => self.shared.nodes[node].signal("STOP"),
            Lasting::Silent => self.proxies[node].fall_silent(),
        }
        self.lasting = Some((kind, node, Instant::now()));
    }

    fn end_lasting(&mut self) {
        let Some((kind, node, since)) = self.lasting.take() else {
            return;
        };
        println!("node {node} was {kind:?} for {:?}", since.elapsed());
        self.shared.told.figures.did(kind.name());
        self.shared.away.store(0, Ordering::SeqCst);
        match kind {
            Lasting::Stopped => self.shared.nodes[node].signal("CONT"),
            Lasting::Silent => self.proxies[node].heal(),
        }
    }

    /// Lets the clients rest, compares, and lets them go on with higher limits and new trees.
    fn look(&self) -> Result<(), String> {
        self.shared.gate.close(self.clients)?;
        audit(self.cluster, self.database, self.shared)?;
        let away = self.lasting.map(|(_, node, _)| node);
        let node = (0..self.shared.nodes.len())
            .find(|node| Some(*node) != away)
            .unwrap_or_default();
        self.shared.world.raise_limits(&self.shared.nodes[node]);
        self.shared.witnessed.make_more(&self.shared.nodes[node]);
        self.shared.gate.open();
        Ok(())
    }

    /// Everything is well again: every node answers, and what is kept is what it must be.
    fn calm(&self) -> Result<(), String> {
        self.shared.gate.close(self.clients)?;
        for (number, node) in self.shared.nodes.iter().enumerate() {
            let address = node
                .address()
                .ok_or_else(|| format!("node {number} does not run"))?;
            let end = Instant::now() + PATIENCE;
            loop {
                match request(
                    address,
                    "GET",
                    "/health",
                    &serde_json::Value::Null,
                    PATIENCE,
                ) {
                    Ok(Answer { status: 200, .. }) => break,
                    Ok(Answer { status: 503, .. }) if Instant::now() < end => {}
                    other => return Err(format!("node {number} is not well again: {other:?}")),
                }
            }
        }
        // Whoever writes by way of any of them is answered, and from then on everybody is.
        self.shared
            .nodes
            .iter()
            .for_each(|node| self.shared.world.raise_limits(node));
        let errors = self.shared.told.figures.errors();
        self.shared.gate.open();
        self.answers(200, 200)?;
        self.shared.gate.close(self.clients)?;
        let now = self.shared.told.figures.errors();
        if now != errors {
            return Err(format!(
                "all is well, and there are errors: {errors:?}, and then {now:?}"
            ));
        }
        audit(self.cluster, self.database, self.shared)?;
        verify(self.database)
    }
}
