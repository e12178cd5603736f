//! Draws argument types at random, nested in each other, and writes a tool that takes each, for
//! `shapes/main.rs`: the same ones in every build, unless `SHAPES_SEED` is set.

use std::error::Error;
use std::fmt::Write;
use std::{env, fs, path::Path};

/// How many tools take a nested type; besides, there is one for every shape alone.
const NESTED: usize = 50;

/// Shapes that hold no other, and that can be compared.
const COMPARED: &str = "i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize bool char String () NonZeroU8 NonZeroU16 NonZeroU32 \
    NonZeroU64 NonZeroUsize NonZeroI8 NonZeroI16 NonZeroI64 PathBuf Ipv4Addr Ipv6Addr IpAddr NaiveDate DateTime<Utc> Uuid Url Duration \
    Cow<'static,str>";

/// Shapes that hold no other, and that cannot be compared.
const OTHERS: &str = "f32 f64 Value Order Nothing Empty Chain";

/// Shapes that hold others: any in place of `_`, one that can be compared in place of `=`.
const HOLDERS: &str = "Option<_> Vec<_> VecDeque<_> LinkedList<_> Box<_> BTreeMap<String,_> HashMap<String,_> BTreeMap<u8,_> \
    HashMap<i64,_> BTreeSet<=> HashSet<=> [_;0] [_;1] [_;3] (_,) (_,_) (_,_,_) Page<_> Visit<_> Solo<_> Ward<_> Clear<_> Couple<_,_> \
    Tree<_> External<_,_> Adjacent<_,_> Internal<_> Untagged<_,_> WithStruct<_> WithTagged<_> WithAdjacent<_,_> WithMap<_> WithTwo<_> \
    Range<_> Result<_,_> Bound<_>";

/// Begin the names of the holders that serde may read into memory before it decodes them, and what
/// it cannot decode from there.
const BUFFERED: &[&str] = &["Adjacent", "Internal", "Untagged", "With"];
const UNBUFFERED: &[&str] = &["128", "Map<u8", "Map<i64"];

/// Parameters with options, or taken by reference.
const PARAMETERS: &[&str] = &[
    "#[arg(default = 7)] value: u16",
    "#[arg(default = \"east\")] value: String",
    "#[arg(default = -2.5)] value: f64",
    "#[arg(range(1..=5))] value: u8",
    "#[arg(range(-5..50))] value: i64",
    "#[arg(range(0.5..1.5))] value: f32",
    "#[arg(range(..=10))] value: Option<i8>",
    "#[arg(default = 3, range(2..))] value: u32",
    "#[arg(length(1..=3))] value: &str",
    "#[arg(length(..4))] value: Option<Vec<bool>>",
    "#[arg(length(2..))] value: BTreeMap<String, ()>",
    "value: &str",
    "value: Option<&str>",
    "value: Cow<'_, str>",
    "value: &Path",
    "value: &Page<Option<i32>>",
    "value: Option<&Visit<Uuid>>",
    "value: &[External<u8, char>]",
    "value: &[Internal<Order>]",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SHAPES_SEED");
    let mut dice = Dice(env::var("SHAPES_SEED").map_or(Ok(1), |seed| seed.parse())?);
    let alone = [COMPARED, OTHERS]
        .into_iter()
        .flat_map(str::split_whitespace)
        .map(str::to_owned);
    let mut shapes: Vec<String> = alone.collect();
    shapes.extend(
        HOLDERS
            .split_whitespace()
            .map(|holder| dice.filled(holder, 0, false)),
    );
    shapes.extend((0..NESTED).map(|_| dice.nested(3, false)));
    let parameters = PARAMETERS.iter().map(|parameter| (*parameter).to_owned());

    let (mut source, mut names) = (String::new(), Vec::new());
    for (number, parameter) in parameters
        .chain(shapes.iter().map(|shape| format!("value: {shape}")))
        .enumerate()
    {
        let name = format!("shape_{number:03}");
        writeln!(
            source,
            "#[doc = {parameter:?}]\n#[tool_core::tool]\nasync fn {name}({parameter}) {{ let _ = value; }}\n"
        )?;
        names.push(name);
    }
    let names = names.join(", ");
    writeln!(
        source,
        "/// All of them.\npub(crate) fn shapes() -> tool_core::ToolSet {{ tool_core::tools![{names}] }}"
    )?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("shapes.rs"), source)?;
    Ok(())
}

/// A source of choices that are the same for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % sides
    }

    fn one_of(&mut self, shapes: &'static str, buffered: bool) -> &'static str {
        let fit = |shape: &&str| !buffered || !UNBUFFERED.iter().any(|unfit| shape.contains(unfit));
        let shapes: Vec<_> = shapes.split_whitespace().filter(fit).collect();
        shapes[self.roll(shapes.len())]
    }

    /// A shape that holds others, `depth` of them deep at most.
    fn nested(&mut self, depth: usize, buffered: bool) -> String {
        let holder = self.one_of(HOLDERS, buffered);
        self.filled(holder, depth, buffered)
    }

    /// The holder with its places filled.
    fn filled(&mut self, holder: &str, depth: usize, buffered: bool) -> String {
        let buffered = buffered || BUFFERED.iter().any(|name| holder.starts_with(name));
        let fill = |mut shape: String, place| {
            match place {
                '_' => shape += &self.content(depth, buffered),
                '=' => shape += self.one_of(COMPARED, buffered),
                _ => shape.push(place),
            }
            shape
        };
        holder.chars().fold(String::new(), fill)
    }

    fn content(&mut self, depth: usize, buffered: bool) -> String {
        match (depth, self.roll(4)) {
            (_, 0) => self.one_of(OTHERS, buffered).to_owned(),
            (0, _) | (_, 1) => self.one_of(COMPARED, buffered).to_owned(),
            _ => self.nested(depth - 1, buffered),
        }
    }
}
