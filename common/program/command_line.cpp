#include "common/program/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/net/system.h"
#include "common/program/duration.h"
#include "common/program/number.h"

namespace quartet::app {
namespace {

void read_text(const Read& read, const std::string& text, std::string_view source) try {
  read(text);
} catch (const std::invalid_argument& error) {
  throw UsageError(fmt::format("{}: {}", source, error.what()));
}

[[noreturn]] void exit_when_printed(int status) {
  if (!std::cout.flush()) net::throw_errno("write stdout");
  std::exit(status);
}

}  // namespace

Read into(std::string& target) {
  return [&target](const std::string& text) { target = text; };
}

Read into(std::chrono::milliseconds& target) {
  return [&target](const std::string& text) { target = parse_duration(text); };
}

Read into(std::size_t& target, std::size_t least, std::size_t most) {
  return [&target, least, most](const std::string& text) { target = parse_number(text, least, most); };
}

Read into(bool& target) {
  return [&target](const std::string& text) {
    const bool on = text == "1" || text == "true";
    if (!on && text != "0" && text != "false")
      throw std::invalid_argument(fmt::format("\"{}\" is neither 1 nor 0", text));
    target = on;
  };
}

class CommandLine::Parser {
 public:
  explicit Parser(const Program& program) : app_(program.summary, program.name) {
    app_.set_help_flag("-h,--help", "Print this and exit");
    if (!program.version.empty())
      add_printer("--version", "Print the version and exit", [version = program.version] { return version; });
    app_.get_formatter()->column_width(38);
    app_.footer(program.footer);
  }

  void group(const std::string& name) { group_ = name; }

  void add(const Option& option) {
    CLI::Option* parsed = app_.add_option(option.name, option.help);
    parsed->type_name(option.metavariable)->type_size(1)->allow_extra_args(false)->required(option.required);
    option.repeated ? parsed->take_all() : parsed->take_last();
    keep(parsed, option);
  }

  void add_switch(const Option& option) { keep(app_.add_flag(option.name, option.help), option); }

  void add_printer(const std::string& name, const std::string& help, std::function<std::string()> text) {
    // What set_version_flag() does, which there can be only one of.
    const auto print = [text = std::move(text)] { throw CLI::CallForVersion(text(), 0); };
    app_.add_flag_callback(name, print, help)->group(group_);
  }

  void parse(int argc, const char* const* argv) {
    app_.parse(argc, argv);
    for (const auto& [parsed, option] : options_) {
      if (parsed->count() > 0) {
        for (const auto& text : texts_of(*parsed, option)) read_text(option.read, text, name_of(*parsed));
      } else if (const char* text = value_of(option.variable); text != nullptr && *text != '\0') {
        read_text(option.read, text, option.variable);
      }
    }
  }

  int print(const CLI::Success& request) { return app_.exit(request); }

 private:
  struct Known {
    CLI::Option* parsed;
    Option option;
  };

  /// As they were written: CLI11's own conversions give some words a meaning, such as {}.
  static std::span<const std::string> texts_of(const CLI::Option& parsed, const Option& option) {
    const std::span<const std::string> all(parsed.results());
    return option.repeated ? all : all.last(1);
  }

  static const char* value_of(const std::string& variable) {
    return variable.empty() ? nullptr : std::getenv(variable.c_str());
  }

  /// get_name() is empty where the help hides it.
  static std::string name_of(const CLI::Option& parsed) {
    return parsed.get_lnames().empty() ? parsed.get_name(true) : "--" + parsed.get_lnames().front();
  }

  void keep(CLI::Option* parsed, const Option& option) {
    parsed->group(option.hidden ? "" : group_);
    options_.push_back({parsed, option});
  }

  CLI::App app_;
  std::string group_ = "Options";
  std::vector<Known> options_;
};

CommandLine::CommandLine(const Program& program) : parser_(std::make_unique<Parser>(program)) {}

CommandLine::~CommandLine() = default;

void CommandLine::group(const std::string& name) { parser_->group(name); }

void CommandLine::add(const Option& option) { parser_->add(option); }

void CommandLine::add_switch(const Option& option) { parser_->add_switch(option); }

void CommandLine::add_printer(const std::string& name, const std::string& help,
                              std::function<std::string()> text) {
  parser_->add_printer(name, help, std::move(text));
}

void CommandLine::parse(int argc, const char* const* argv) try {
  parser_->parse(argc, argv);
} catch (const CLI::Success& request) {
  exit_when_printed(parser_->print(request));
} catch (const CLI::ArgumentMismatch& error) {  // "--max-body: 1 required BYTES missing"
  const std::string_view what = error.what();
  throw UsageError(fmt::format("{}: a value is missing", what.substr(0, what.find(':'))));
} catch (const CLI::ParseError& error) {
  throw UsageError(error.what());
}

}  // namespace quartet::app
