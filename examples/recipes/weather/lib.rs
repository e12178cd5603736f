//! A library that exports tools. It depends on `tool-core` alone: the program chooses the model.

use tool_core::{ToolSet, tool, tools};

/// What the tools need from the program.
#[derive(Debug)]
pub struct Weather {
    /// Where it is measured.
    pub station: String,
}

/// The scale of a temperature.
#[derive(Debug, tool_core::serde::Deserialize, tool_core::schemars::JsonSchema)]
#[serde(crate = "tool_core::serde", rename_all = "lowercase")]
#[schemars(crate = "tool_core::schemars")]
pub enum Scale {
    /// Degrees Celsius.
    Celsius,
    /// Degrees Fahrenheit.
    Fahrenheit,
}

/// Get the temperature now.
#[tool(read_only)]
pub async fn temperature(#[state] weather: &Weather, scale: Scale) -> String {
    match scale {
        Scale::Celsius => format!("21 °C in {}", weather.station),
        Scale::Fahrenheit => format!("70 °F in {}", weather.station),
    }
}

/// Get the chance of rain today, in percent.
#[tool(read_only)]
pub async fn chance_of_rain() -> u32 {
    30
}

/// Send a storm warning to everyone near the station.
#[tool]
pub async fn send_warning(#[state] weather: &Weather, text: &str) -> String {
    format!("sent to everyone near {}: {text}", weather.station)
}

/// All tools of this library, with their state.
pub fn all(weather: Weather) -> ToolSet {
    tools![temperature, chance_of_rain, send_warning].with_state(weather)
}
