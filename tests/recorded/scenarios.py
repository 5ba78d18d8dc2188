"""All scenarios: whoever imports this has registered them."""
import scenarios_functions
import scenarios_policies
import scenarios_settings
import scenarios_versions

MODULES = (scenarios_functions, scenarios_policies, scenarios_settings, scenarios_versions)
