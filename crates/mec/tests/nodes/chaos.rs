//! Rounds of trouble: nodes are killed and stopped, the server is started again, connections are cut, while clients go on.

use std::time::{Duration, Instant};

use crate::audit::{audit, verify};
use crate::client::Shared;
use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::gate::PATIENCE;
use crate::node::{Node, request};
use crate::proxy::{AtCommit, Proxy};

/// Longer than a server waits for a batch that goes on, than a batch waits for a tree, and than a node waits for its server.
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    Stopped,
    Silent,
}

/// What is done in one round.
#[derive(Clone, Copy, Debug)]
enum Trouble {
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
        for round in 0..rounds {
            // Trouble that lasts comes when there are enough rounds left for it, each kind once.
            match round * 100 / rounds.max(1) {
                5 if self.lasting.is_none() => self.begin(Lasting::Stopped),
                45 if self.lasting.is_none() => self.begin(Lasting::Silent),
                _ => {}
            }
            let begun = Instant::now();
            let done = self.round();
            done.as_ref().map_err(|what| format!("round {round}: {what}"))?;
            println!("round {round}: {:?} in {} ms", done?, begun.elapsed().as_millis());
            if round % ROUNDS_PER_AUDIT == ROUNDS_PER_AUDIT - 1 {
                self.look().map_err(|what| format!("after round {round}: {what}"))?;
                // Whoever looks what became of a batch then finds it on its way.
                let microseconds = if (round / ROUNDS_PER_AUDIT).is_multiple_of(2) { COMMIT_DELAY_MICROSECONDS } else { "0" };
                self.cluster.set(&[("commit_siblings", "0"), ("commit_delay", microseconds)]);
            }
        }
        self.end_lasting(true);
        self.calm()
    }

    fn round(&mut self) -> Result<Vec<Trouble>, String> {
        if self.lasting.is_some_and(|(_, _, since)| since.elapsed() > PAST_EVERY_LIMIT) {
            self.end_lasting(false);
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
        let mut drawn = self.dice.roll(TROUBLES.iter().map(|(weight, _)| weight).sum());
        for (weight, trouble) in TROUBLES {
            if drawn < weight {
                return trouble;
            }
            drawn -= weight;
        }
        Trouble::Cut
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
        let figures = &self.shared.told.figures;
        match trouble {
            Trouble::Kill => {
                figures.did("nodes killed");
                self.shared.nodes[node].kill();
                self.answers(5, 5)?;
                self.start(node)?;
            }
            Trouble::Stop => {
                figures.did("nodes stopped");
                self.shared.nodes[node].signal("STOP");
                self.a_while()?;
                self.shared.nodes[node].signal("CONT");
            }
            Trouble::Cut => {
                figures.did("ways cut");
                self.proxies[node].cut(by_reset);
            }
            Trouble::CutAll => {
                figures.did("all ways cut");
                self.proxies.iter().for_each(|proxy| proxy.cut(by_reset));
            }
            Trouble::AtCommit => {
                let traps: Vec<AtCommit> = (0..1 + self.dice.roll(3))
                    .map(|_| self.dice.one_of(&[AtCommit::Before, AtCommit::Sent, AtCommit::Sent, AtCommit::Answered]))
                    .collect();
                self.proxies[node].trap(&traps);
                self.answers(10, 10)?;
                self.proxies[node].heal();
            }
            Trouble::Silence => {
                figures.did("ways silent");
                self.proxies[node].fall_silent();
                self.a_while()?;
                if self.dice.happens(50) {
                    self.proxies[node].cut(by_reset);
                }
                self.proxies[node].heal();
            }
            Trouble::Refuse => {
                figures.did("ways closed");
                self.proxies[node].refuse();
                self.proxies[node].cut(by_reset);
                self.answers(5, 15)?;
                self.proxies[node].heal();
            }
            Trouble::ServerFast | Trouble::ServerImmediate => {
                let (what, signal) = match trouble {
                    Trouble::ServerFast => ("servers stopped", "INT"),
                    _ => ("servers killed", "QUIT"),
                };
                figures.did(what);
                let begun = Instant::now();
                self.cluster.stop(signal);
                self.shared.gate.wait_for("requests in vain", |counts| counts.in_vain >= 12)?;
                self.cluster.run(&[]);
                println!("the server was away for {} ms", begun.elapsed().as_millis());
            }
        }
        Ok(())
    }

    /// Waits for so many answers, of those who want the hot tree and of the others.
    fn answers(&self, hot: u64, others: u64) -> Result<(), String> {
        self.shared.gate.wait_for("answers", |counts| counts.hot >= hot && counts.others >= others)
    }

    /// Waits for answers, or for as many clients that are not answered: what the node holds delays them.
    fn a_while(&self) -> Result<(), String> {
        self.shared.gate.wait_for("answers or none", |counts| counts.hot + counts.others >= 40 || counts.in_vain >= 12)
    }

    fn start(&self, node: usize) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while !self.shared.nodes[node].start() {
            if Instant::now() > end {
                return Err(format!("node {node} does not start: {}", self.shared.nodes[node].said()));
            }
        }
        Ok(())
    }

    fn begin(&mut self, kind: Lasting) {
        let node = self.node();
        match kind {
            Lasting::Stopped => {
                self.shared.told.figures.did("nodes stopped past every limit");
                self.shared.nodes[node].signal("STOP");
            }
            Lasting::Silent => {
                self.shared.told.figures.did("ways silent past every limit");
                self.proxies[node].fall_silent();
            }
        }
        self.lasting = Some((kind, node, Instant::now()));
    }

    fn end_lasting(&mut self, is_last: bool) {
        let Some((kind, node, since)) = self.lasting.take() else { return };
        println!("node {node} was {kind:?} for {:?}{}", since.elapsed(), if is_last { ", to the end" } else { "" });
        match kind {
            Lasting::Stopped => self.shared.nodes[node].signal("CONT"),
            Lasting::Silent => self.proxies[node].heal(),
        }
    }

    /// Lets the clients rest, compares, and lets them go on with higher limits.
    fn look(&self) -> Result<(), String> {
        self.shared.gate.close(self.clients)?;
        audit(self.cluster, self.database, self.shared)?;
        let away = self.lasting.map(|(_, node, _)| node);
        let node = (0..self.shared.nodes.len()).find(|node| Some(*node) != away).unwrap_or_default();
        self.shared.world.raise_limits(&self.shared.nodes[node]);
        self.shared.gate.open();
        Ok(())
    }

    /// Everything is well again: every node answers, and what is kept is what it must be.
    fn calm(&self) -> Result<(), String> {
        self.shared.gate.close(self.clients)?;
        for (number, node) in self.shared.nodes.iter().enumerate() {
            let address = node.address().ok_or_else(|| format!("node {number} does not run"))?;
            let end = Instant::now() + PATIENCE;
            loop {
                match request(address, "GET", "/health", &serde_json::Value::Null, PATIENCE) {
                    Ok((200, _)) => break,
                    Ok((503, _)) if Instant::now() < end => {}
                    other => return Err(format!("node {number} is not well again: {other:?}")),
                }
            }
        }
        // Whoever writes by way of any of them is answered, and from then on everybody is.
        self.shared.nodes.iter().for_each(|node| self.shared.world.raise_limits(node));
        let errors = self.shared.told.figures.errors();
        self.shared.gate.open();
        self.answers(200, 200)?;
        self.shared.gate.close(self.clients)?;
        let now = self.shared.told.figures.errors();
        if now != errors {
            return Err(format!("all is well, and there are errors: {errors:?}, and then {now:?}"));
        }
        audit(self.cluster, self.database, self.shared)?;
        verify(self.database)
    }
}
