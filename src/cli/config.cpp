// `danelaw config check` and `config show`.
#include "commands.hpp"

#include "danelaw/config/load.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

void print_problems(const std::string& file, const config::Loaded& loaded, std::ostream& to) {
    for (const config::Problem& p : loaded.problems) to << config::text(file, p) << "\n";
}

} // namespace

int config_check(const std::string& file, bool as_json, Console console) {
    const config::Loaded loaded = config::load(file, SystemClock().now());
    if (as_json) {
        json::array problems;
        for (const config::Problem& p : loaded.problems) {
            const bool error = p.severity == config::Severity::error;
            problems.push_back(json::object{{"severity", error ? "error" : "warning"},
                                            {"line", p.line},
                                            {"column", p.column},
                                            {"message", p.message}});
        }
        const json::object answer{{"valid", loaded.valid()}, {"problems", std::move(problems)}};
        console.out << json::serialize(answer) << "\n";
    } else {
        print_problems(file, loaded, console.out);
    }
    return loaded.valid() ? Exit::ok : Exit::no;
}

int config_show(const std::string& file, bool as_json, Console console) {
    const config::Loaded loaded = config::load(file, SystemClock().now());
    print_problems(file, loaded, console.err);
    if (!loaded.valid()) return Exit::no;
    const std::string yaml = config::show(loaded.settings);
    if (as_json) {
        const json::object answer{{"file", file}, {"yaml", yaml}};
        console.out << json::serialize(answer) << "\n";
    } else {
        console.out << yaml;
    }
    return Exit::ok;
}

} // namespace danelaw::cli
