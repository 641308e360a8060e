//! The command line: one file a subcommand.

mod clean;
mod completions;
mod decide;
mod doctor;
mod fleet;
mod logs;
mod migrate;
mod out;
mod plan;
mod plan_files;
mod resume;
mod run;
mod runs;
mod schema;
mod sent_logs;
mod setup;
mod show;
mod submit;
mod validate;
mod worker;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::event::Outcome;
use crate::fault::{Fault, FaultKind};
use crate::settings::Environment;
use crate::store::{Record, StateFolders};

/// How a command ended, as the process tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Succeeded = 0,
    /// The build or the deployment failed.
    Failed = 1,
    /// The spec or the usage is wrong.
    Usage = 2,
    /// Our side or the infrastructure failed.
    Broken = 3,
    /// Stopped by the user.
    Stopped = 130,
}

const EXAMPLES: &str = "\
Examples:
  sluice run                              run pipeline.yml or buildspec.yml of this folder
  sluice run --source codecommit://billing --ref main
  sluice run --image rust:1.95 buildspec.yml
  sluice approve 0199 Production --comment 'looks good'
  sluice logs -f                          follow the newest run

Exit codes: 0 succeeded, 1 the build or deployment failed, 2 the spec or the usage is wrong,
3 our side or the infrastructure failed, 130 stopped by the user.";

/// Runs build and deployment pipelines on machines that you own.
#[derive(Parser)]
#[command(name = "sluice", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    /// Where runs, logs, mirrors and caches are kept [default: $SLUICE_STATE_DIR, or sluice under the state home]
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pipeline or a buildspec, here and now
    Run(Box<run::Args>),
    /// Check spec files and tell everything that is wrong with them
    Validate(validate::Args),
    /// Show what would happen, without doing it
    Plan(plan::Args),
    /// Print the JSON Schema of a spec format, for editors
    Schema(schema::Args),
    /// List runs, newest first
    Runs(runs::Args),
    /// Print the log of a run
    Logs(logs::Args),
    /// Show what a run did
    Show(show::Args),
    /// Say yes to an approval that a run waits for
    Approve(decide::Args),
    /// Say no to an approval that a run waits for
    Reject(decide::Args),
    /// Take jobs from CodePipeline or SQS, as one of any number of machines
    Worker(Box<worker::Args>),
    /// Ask the workers of an SQS queue for a run
    Submit(Box<submit::Args>),
    /// Remove what only makes later runs faster, and was not used for long
    Clean(clean::Args),
    /// Check this machine and say what is missing
    Doctor(doctor::Args),
    /// Swap a pipeline's CodeBuild actions for Sluice's, and back
    Migrate(Box<migrate::Args>),
    /// Print what an AWS account and a machine need for workers
    Setup(Box<setup::Args>),
    /// Print shell completions
    Completions(completions::Args),
    /// Print the manual page
    Man,
}

/// What every subcommand may use.
struct Context {
    environment: Environment,
    state_dir: Option<PathBuf>,
}

impl Context {
    fn folders(&self) -> Result<StateFolders, Fault> {
        Ok(StateFolders::new(self.environment.state_directory(self.state_dir.clone())?))
    }

    fn record(&self) -> Result<(StateFolders, Record), Fault> {
        let folders = self.folders()?;
        let record = Record::open(folders.root())?;
        Ok((folders, record))
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Succeeded };
            let _ = error.print();
            return code(exit);
        }
    };
    let environment = Environment::of_process();
    operator_log(environment.log.as_deref().unwrap_or(unasked(&cli.command)));
    let context = Context { environment, state_dir: cli.state_dir };
    let exit = dispatch(&context, cli.command).unwrap_or_else(|fault| {
        out::fault(&fault);
        exit_of_fault(&fault)
    });
    code(exit)
}

fn dispatch(context: &Context, command: Command) -> Result<Exit, Fault> {
    match command {
        Command::Run(args) => run::run(context, *args),
        Command::Validate(args) => validate::validate(&args),
        Command::Plan(args) => plan::plan(context, &args),
        Command::Schema(args) => schema::schema(&args),
        Command::Runs(args) => runs::runs(context, &args),
        Command::Logs(args) => logs::logs(context, &args),
        Command::Show(args) => show::show(context, &args),
        Command::Approve(args) => decide::decide(context, &args, true),
        Command::Reject(args) => decide::decide(context, &args, false),
        Command::Worker(args) => worker::worker(context, *args),
        Command::Submit(args) => submit::submit(context, *args),
        Command::Clean(args) => clean::clean(context, &args),
        Command::Doctor(args) => doctor::doctor(context, &args),
        Command::Migrate(args) => migrate::migrate(context, *args),
        Command::Setup(args) => setup::setup(*args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man => completions::man(),
    }
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

/// What a user must mend is usage; the rest is ours.
fn exit_of_fault(fault: &Fault) -> Exit {
    match fault.kind {
        FaultKind::Configuration => Exit::Usage,
        FaultKind::Stopped => Exit::Stopped,
        FaultKind::Permission | FaultKind::Revision | FaultKind::System => Exit::Broken,
    }
}

fn exit_of(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Succeeded => Exit::Succeeded,
        Outcome::Failed { .. } | Outcome::TimedOut { .. } | Outcome::Skipped { .. } => Exit::Failed,
        Outcome::Stopped { .. } => Exit::Stopped,
        Outcome::Faulted { .. } => Exit::Broken,
    }
}

/// What the program says of itself when `SLUICE_LOG` says nothing. A worker's log is all that its operator has of it, so
/// it tells what it does, and what goes wrong in the libraries that it stands on; whoever sits before a terminal sees
/// what happens there, and is told only what is wrong with Sluice.
fn unasked(command: &Command) -> &'static str {
    match command {
        Command::Worker(args) if args.works() => "warn,runner=info",
        _ => "runner=warn",
    }
}

/// What the program itself does, on standard error.
fn operator_log(directives: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::builder().parse_lossy(directives);
    let written = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = written.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// A runtime for the subcommands that need one.
fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::system(format!("the runtime cannot start: {error}")))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn a_worker_tells_what_it_does_unasked_and_whoever_sits_at_a_terminal_only_what_is_wrong() {
        let loudest = |words: &[&str]| {
            let cli = Cli::try_parse_from([&["sluice"], words].concat()).unwrap();
            EnvFilter::builder().parse_lossy(unasked(&cli.command)).max_level_hint()
        };
        assert_eq!(loudest(&["worker", "--pool", "arm"]), Some(LevelFilter::INFO));
        for quiet in
            [&["run"][..], &["worker", "status"], &["worker", "drain"], &["submit", "--source", "codecommit://app"]]
        {
            assert_eq!(loudest(quiet), Some(LevelFilter::WARN), "{quiet:?}");
        }
    }
}
