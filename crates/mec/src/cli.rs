//! The command line: what is asked of `mec` in a shell. One file per command; each asks the API
//! what it wants to know, in this process or, where a server owns the store, of that server.
//!
//! Nothing here decides, and nothing here speaks SQL.

mod backup;
mod catalog;
mod check;
mod config_command;
mod copy;
mod doctor;
mod export;
mod import;
mod logging;
mod meter;
mod migrate;
mod plan;
mod prune;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use mec_kernel::Time;

use crate::config::{Config, Flags};
use crate::demo::Demo;
use crate::server::serve::Beside;
use crate::terminal::failure::{EXIT_CODES, Exit, Failure};
use crate::terminal::output::Print;

/// Metering, entitlements, controls: decides exactly who may use how much, and records what was
/// used.
#[derive(Debug, Parser)]
#[command(name = "mec", version, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Print answers as a table for people or as one JSON value for programs
    #[arg(
        short = 'o',
        long = "print",
        value_enum,
        default_value_t,
        global = true,
        value_name = "HOW"
    )]
    print: Print,
    /// Read this configuration file instead of ./mec.toml [env: MEC_CONFIG]
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// What is logged to stderr: error, warn, info, debug, trace, or by room [env: MEC_LOG]
    /// [default: info to serve, else warn]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How log lines are written: text or json [env: MEC_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct StoreArgs {
    /// Where everything is kept: sqlite:PATH or postgres://USER@HOST/DATABASE [env: MEC_STORE]
    /// [default: sqlite:mec.db]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// Whom a command asks.
#[derive(Clone, Debug, Args)]
struct TargetArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Ask the server at this address, whatever store it has [env: MEC_SERVER]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

#[derive(Debug, Args)]
struct ListenArgs {
    /// The address to answer on; port 0 takes a free one [env: MEC_LISTEN] [default:
    /// 127.0.0.1:8000]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

/// Ports beside the one to answer on.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PortArgs {
    /// Also answer where clients of a PostgREST look: tables at the root of port 3000, and port
    /// 8005 for webhooks to come
    #[arg(long)]
    compat_ports: bool,
}

impl PortArgs {
    /// Which they are.
    pub(crate) fn beside(self) -> Beside {
        if self.compat_ports {
            Beside::Compatible
        } else {
            Beside::Nothing
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer over HTTP until told to stop (SIGTERM, Ctrl-C)
    Serve {
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        listen: ListenArgs,
        #[command(flatten)]
        ports: PortArgs,
    },
    /// Serve an example: the demo catalog, a dozen accounts and 90 days of use
    Demo(DemoArgs),
    /// Make the store, or bring it to this version's schema
    Migrate(migrate::Args),
    /// Plans, resources, units and rules as a file
    Catalog {
        #[command(subcommand)]
        command: catalog::Command,
    },
    /// Record usage events from a file, each exactly once however often it is imported
    Import(import::Args),
    /// Write the ledger to a file that `mec import` reads
    Export(export::Args),
    /// May this account use this? Exit code 0: yes, 1: no
    Check(check::Args),
    /// Record that something was used
    Meter(meter::Args),
    /// Plans and their versions: list them, move accounts to the newest, simulate a changed catalog
    Plan {
        #[command(subcommand)]
        command: plan::Command,
    },
    /// Move an installation from a SQLite file to a PostgreSQL database, verified; run again, it
    /// goes on where it stopped
    Copy(copy::Args),
    /// Write a SQLite store to a new file, also while a server records
    Backup(backup::BackupArgs),
    /// Make a SQLite store from a backup, verified before it can be served
    Restore(backup::RestoreArgs),
    /// Recompute every counter from the ledger and compare
    Verify {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Remove old decisions from the decision log; never touches the ledger
    Prune(prune::Args),
    /// Show the settings in effect and where each comes from
    Config(config_command::Args),
    /// Look for what would keep mec from working here
    Doctor {
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        listen: ListenArgs,
    },
}

/// What `mec demo` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// The address to answer on; port 0 takes a free one [env: MEC_LISTEN] [default:
    /// 127.0.0.1:8000]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Keep the data in DIR: filled when it is empty, only opened when it is not [default: a
    /// temporary directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Keep the data in a PostgreSQL database: filled when it is empty, refused when it holds
    /// anything but the demo
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(crate) store: Option<String>,
    /// Also answer on addresses that other machines reach, although nobody is asked who they are
    #[arg(long)]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
}

impl DemoArgs {
    fn demo(self) -> Demo {
        Demo {
            data: self.data,
            store: self.store,
            is_open: self.open,
            ports: self.ports.beside(),
        }
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    // Clap ends the process itself: 0 after --help and --version, 2 after a mistake.
    let cli = Cli::parse();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn execute(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let print = global.print;
    let flags = Flags {
        config: global.config,
        log: global.log,
        log_format: global.log_format,
        ..Flags::default()
    };
    let gather = |flags: Flags, default_log: &str| -> Result<Config, Failure> {
        let config = Config::gather(flags)?;
        logging::start(&config, default_log)?;
        Ok(config)
    };
    let (serving, asking) = ("info", "warn");
    let of_store = |store: StoreArgs| Flags {
        store: store.store,
        ..flags.clone()
    };
    let of_target = |target: &TargetArgs| Flags {
        server: target.server.clone(),
        ..of_store(target.store.clone())
    };
    match command {
        Command::Serve {
            store,
            listen,
            ports,
        } => {
            let config = gather(
                Flags {
                    listen: listen.listen,
                    ..of_store(store)
                },
                serving,
            )?;
            runtime()?.block_on(crate::server::serve::run(&config, ports.beside()))
        }
        Command::Demo(args) => {
            let config = gather(
                Flags {
                    listen: args.listen.clone(),
                    ..flags.clone()
                },
                serving,
            )?;
            runtime()?.block_on(crate::demo::run(args.demo(), &config))
        }
        Command::Migrate(args) => {
            let config = gather(of_store(args.store()), asking)?;
            args.run(&config, print)
        }
        Command::Catalog { command } => {
            let config = gather(of_target(command.target()), asking)?;
            runtime()?.block_on(command.run(&config, print))
        }
        Command::Import(args) => {
            let config = gather(of_target(args.target()), asking)?;
            runtime()?.block_on(args.run(&config, print))
        }
        Command::Export(args) => {
            let config = gather(of_store(args.store()), asking)?;
            args.run(&config)
        }
        Command::Check(args) => {
            let config = gather(of_target(args.target()), asking)?;
            runtime()?.block_on(args.run(&config, print))
        }
        Command::Meter(args) => {
            let config = gather(of_target(args.target()), asking)?;
            runtime()?.block_on(args.run(&config, print))
        }
        Command::Plan { command } => {
            let needed = match command.needs() {
                plan::Needs::Target(target) => of_target(&target),
                plan::Needs::Store(store) => of_store(store),
            };
            let config = gather(needed, asking)?;
            runtime()?.block_on(command.run(&config, print))
        }
        Command::Prune(args) => {
            let config = gather(of_target(args.target()), asking)?;
            runtime()?.block_on(args.run(&config, print))
        }
        Command::Copy(args) => {
            let config = gather(
                Flags {
                    store: args.to(),
                    ..flags.clone()
                },
                asking,
            )?;
            args.run(&config, print)
        }
        Command::Backup(args) => {
            let config = gather(of_store(args.store()), asking)?;
            args.run(&config, print)
        }
        Command::Restore(args) => {
            let config = gather(of_store(args.store()), asking)?;
            args.run(&config, print)
        }
        Command::Verify { store } => verify::run(&gather(of_store(store), asking)?, print),
        Command::Config(args) => args.run(flags.clone(), print),
        Command::Doctor { store, listen } => doctor::run(
            Flags {
                listen: listen.listen,
                ..of_store(store)
            },
            print,
        ),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Io, format!("threads cannot be started: {error}")))
}

/// An instant (`2026-01-30T12:00:00Z`) or the beginning of a day in UTC (`2026-01-30`).
fn instant(text: &str) -> Result<Time, String> {
    let day = || format!("{text}T00:00:00Z").parse();
    text.parse().or_else(|_| day()).map_err(|_| {
        "write 2026-01-30T12:00:00Z, or 2026-01-30 for its beginning in UTC".to_owned()
    })
}
