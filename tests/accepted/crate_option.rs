mod hospital {
    pub mod reexport {
        pub use tool_core;
    }
}

/// Count the beds.
#[hospital::reexport::tool_core::tool(crate = hospital::reexport::tool_core)]
async fn count_beds(
    #[state] beds: &u32,
    #[arg(default = 1, range(1..=3))] floor: u32,
    ward: Option<&str>,
) -> Result<u32, String> {
    let _ = ward;
    Ok(*beds + floor)
}

mod elsewhere {
    /// Count the wards.
    #[tool_core::tool(crate = crate::crate_option::hospital::reexport::tool_core)]
    pub fn count_wards() -> u32 {
        3
    }
}

/// Count the doors.
#[hospital::reexport::tool_core::tool(crate = hospital::reexport::tool_core, retry, idempotent)]
async fn count_doors(
    #[context] cx: &hospital::reexport::tool_core::CallContext,
    #[arg(length(1..=9), default = "red")] colour: &str,
    #[serde(alias = "n")]
    #[schemars(extend("examples" = [1]))]
    number: Option<u32>,
) -> u32 {
    let _ = (cx, colour);
    number.unwrap_or(3)
}

/// Count what is in an object.
#[hospital::reexport::tool_core::tool(crate = hospital::reexport::tool_core)]
fn count_all(#[args] map: std::collections::BTreeMap<String, u32>) -> usize {
    map.len()
}

struct Hospital;

#[hospital::reexport::tool_core::toolbox(crate = hospital::reexport::tool_core)]
impl Hospital {
    /// Count the floors.
    #[tool]
    async fn count_floors(&self, ward: Option<&str>) -> u32 {
        let _ = ward;
        3
    }
}

#[derive(hospital::reexport::tool_core::Provide)]
#[provide(crate = hospital::reexport::tool_core)]
struct App {
    beds: u32,
    hospital: Hospital,
}

#[test]
fn is_accepted() {
    let tools = hospital::reexport::tool_core::tools![
        count_beds,
        elsewhere::count_wards,
        count_doors,
        count_all,
        Hospital
    ];
    assert_eq!(
        tools
            .with_state(App {
                beds: 12,
                hospital: Hospital
            })
            .len(),
        5
    );
}
