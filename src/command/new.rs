//! `isonomy new KIND NAME`

use super::{Failure, Outcome, print};
use std::path::{Path, PathBuf};

/// Starts a crate with a plugin of your own: it builds, passes its tests and runs as it is
#[derive(clap::Args)]
pub(super) struct Args {
    /// What to begin
    #[arg(value_enum)]
    kind: Kind,
    /// The plugin's name, in CamelCase
    name: String,
    /// Where to put the crate; a folder named after the plugin if not given
    #[arg(long)]
    path: Option<PathBuf>,
    /// The folder of isonomy's source that the crate builds upon
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_MANIFEST_DIR"))]
    isonomy: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Environment,
    Fairness,
    Optimizer,
}

/// A crate of the book's examples, which continuous integration builds and runs.
struct Template {
    /// The name that the new one replaces, as a type and as a crate.
    name: [&'static str; 2],
    files: [(&'static str, &'static str); 5],
}

macro_rules! template {
    ($folder:literal, $type:literal, $crate_name:literal) => {
        Template {
            name: [$type, $crate_name],
            files: [
                ("Cargo.toml", include_str!(concat!("../../docs/examples/", $folder, "/Cargo.toml"))),
                ("scenario.ron", include_str!(concat!("../../docs/examples/", $folder, "/scenario.ron"))),
                ("src/lib.rs", include_str!(concat!("../../docs/examples/", $folder, "/src/lib.rs"))),
                ("src/main.rs", include_str!(concat!("../../docs/examples/", $folder, "/src/main.rs"))),
                ("tests/facts.rs", include_str!(concat!("../../docs/examples/", $folder, "/tests/facts.rs"))),
            ],
        }
    };
}

impl Kind {
    fn template(self) -> Template {
        match self {
            Kind::Environment => template!("environment", "Commons", "commons"),
            Kind::Fairness => template!("fairness", "EnvyPenalty", "envy_penalty"),
            Kind::Optimizer => template!("optimizer", "HillClimb", "hill_climb"),
        }
    }
}

pub(super) fn new(args: Args) -> Result<Outcome, Failure> {
    let camel = args.name.chars().next().is_some_and(|first| first.is_ascii_uppercase())
        && args.name.chars().all(|letter| letter.is_ascii_alphanumeric());
    if !camel {
        return Err(format!("\"{}\" is not a name in CamelCase, e.g. MyPlugin", args.name).into());
    }
    let source =
        args.isonomy.canonicalize().ok().filter(|source| source.join("engine/Cargo.toml").is_file()).ok_or_else(
            || format!("{} does not hold isonomy's source; say where it is with --isonomy", args.isonomy.display()),
        )?;
    let crate_name = snake(&args.name);
    let folder = args.path.unwrap_or_else(|| PathBuf::from(&crate_name));
    if folder.exists() {
        return Err(format!("{} exists already", folder.display()).into());
    }
    let Template { name: [old_type, old_crate], files } = args.kind.template();
    for (file, text) in files {
        let mut text = text.replace(old_type, &args.name).replace(old_crate, &crate_name);
        if file == "Cargo.toml" {
            let path = |path: &Path| format!("path = {:?}", path.display().to_string());
            text = text.replace("path = \"../../../engine\"", &path(&source.join("engine")));
            text = text.replace("path = \"../../..\"", &path(&source));
            text += "\n[workspace]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n";
        }
        write(&folder.join(file), &text)?;
    }
    // The versions that isonomy itself was tested with.
    if let Ok(lock) = std::fs::read_to_string(source.join("Cargo.lock")) {
        write(&folder.join("Cargo.lock"), &lock)?;
    }
    print(folder.display())?;
    eprintln!("next: cd {}; cargo test; cargo run -- run scenario.ron", folder.display());
    Ok(Outcome::Well)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let outcome = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(path, text));
    outcome.map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
