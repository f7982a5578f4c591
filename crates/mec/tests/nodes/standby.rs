//! A primary and the standby it waits for at every commit, which takes its place while clients go
//! on.

use crate::audit::{audit, verify};
use crate::client::Shared;
use crate::cluster::{Cluster, name_of};
use crate::proxy::Proxy;
use crate::world::Account;

/// What lets a server be followed.
pub(crate) const FOLLOWED: [&str; 2] = ["wal_level=replica", "max_wal_senders=4"];
const NAME: &str = "standby";
/// Events that only the primary has when it dies.
const UNSAFE: usize = 5;

/// The server that clients' nodes are led to, and their ways to it.
pub(crate) struct Servers<'a> {
    pub(crate) primary: Cluster,
    /// The name of the database on every one of them.
    pub(crate) database: String,
    pub(crate) proxies: &'a [Proxy],
    pub(crate) shared: &'a Shared,
    pub(crate) clients: usize,
}

impl Servers<'_> {
    /// A standby that every commit waits for from here on.
    fn follow(&self) -> Cluster {
        let standby = self.primary.followed_by(NAME, &FOLLOWED);
        self.primary.set(&[("synchronous_standby_names", NAME)]);
        self.primary.wait_for(
            "postgres",
            "SELECT sync_state FROM pg_stat_replication",
            "sync",
        );
        standby
    }

    /// The primary dies in the middle of batches, and the standby is what it was.
    ///
    /// # Errors
    /// What a client has seen; what is lost.
    pub(crate) fn fail_over(&mut self) -> Result<(), String> {
        let standby = self.follow();
        self.answers(200)?;
        self.primary.stop("QUIT");
        self.promote(standby)
    }

    /// The standby is away and waits for it are cancelled, so that what was committed is on a
    /// primary alone that then dies: nobody was told of it.
    ///
    /// # Errors
    /// What a client has seen; what is lost.
    pub(crate) fn fail_over_without_what_was_cancelled(&mut self) -> Result<(), String> {
        let standby = self.follow();
        self.answers(100)?;
        standby.stop("INT");
        let safe = self.events(&self.primary);
        // What is waited for is seen by others when the wait is over, however that ends.
        while self.events(&self.primary) < safe + UNSAFE {
            let cancel =
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            self.primary.sql("postgres", cancel);
        }
        self.primary.stop("INT");
        standby.run(&FOLLOWED);
        assert!(
            self.events(&standby) <= safe,
            "nothing is lost, so nothing was tested"
        );
        // A question, which writes nothing, may have been answered from what is lost.
        self.shared
            .world
            .accounts
            .iter()
            .for_each(Account::forget_what_was_seen);
        self.promote(standby)
    }

    fn events(&self, server: &Cluster) -> usize {
        let count = server.sql(
            name_of(&self.database),
            "SELECT count(*) FROM consumption_ledger",
        );
        count[0].parse().unwrap()
    }

    fn promote(&mut self, standby: Cluster) -> Result<(), String> {
        let promoted = standby.sql("postgres", "SELECT pg_promote()");
        assert_eq!(promoted, ["t"]);
        self.primary = standby;
        for proxy in self.proxies {
            proxy.lead_to(&self.primary.socket());
        }
        self.shared.told.figures.did("standbys promoted");
        self.answers(200)?;
        self.shared.gate.close(self.clients)?;
        let url = self.primary.url(name_of(&self.database));
        audit(&self.primary, &url, self.shared)?;
        verify(&url)?;
        self.shared.world.raise_limits(&self.shared.nodes[0]);
        self.shared.gate.open();
        Ok(())
    }

    fn answers(&self, count: u64) -> Result<(), String> {
        let gate = &self.shared.gate;
        gate.wait_for("answers", |counts| {
            counts.hot >= count / 2 && counts.others >= count / 2
        })
    }
}
