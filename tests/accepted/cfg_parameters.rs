use tool_core::{CallContext, tool, toolbox, tools};

/// Count the beds.
#[tool]
async fn count_beds(
    #[cfg(true)] ward: u32,
    /// Not there.
    #[cfg(false)]
    #[arg(default = 1, range(1..=5))]
    floor: Missing,
    #[cfg(false)] place: Missing,
    #[cfg(true)] place: &str,
    #[cfg(false)]
    #[serde(deserialize_with = "missing")]
    wing: Missing,
    #[cfg(true)]
    #[context]
    cx: &CallContext,
    #[cfg(false)]
    #[context]
    more: &Missing,
    #[cfg_attr(false, missing)]
    #[cfg_attr(true, allow(unused_variables))]
    unused: Option<u32>,
) -> u32 {
    #[cfg(false)]
    let _ = (floor, wing, more);
    ward + place.len() as u32 + cx.position() as u32
}

/// Count the wards.
#[tool]
fn count_wards(#[cfg(false)] floor: Missing) -> u32 {
    #[cfg(false)]
    let _ = floor;
    3
}

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the rooms.
    #[tool]
    fn count_rooms(&self, #[cfg(true)] ward: u32, #[cfg(false)] floor: Missing) -> u32 {
        #[cfg(false)]
        let _ = floor;
        ward
    }
}

#[test]
fn is_accepted() {
    let tools = tools![count_beds, count_wards, Hospital].with_state(Hospital);
    let properties = |name| {
        let properties = tools
            .definition(name)
            .and_then(|tool| tool.parameters()["properties"].as_object());
        properties
            .map(|properties| properties.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    assert_eq!(properties("count_beds"), ["ward", "place", "unused"]);
    assert!(properties("count_wards").is_empty());
    assert_eq!(properties("count_rooms"), ["ward"]);
}
