#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace quartet::app {

/// What is wrong with the command line, or with a variable in its place: one sentence for stderr.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Turns an option's text into its value. @throws std::invalid_argument with the reason
using Read = std::function<void(const std::string& text)>;

// The usual ones. The target has to outlive the command line.
Read into(std::string& target);
Read into(std::chrono::milliseconds& target);
Read into(std::size_t& target, std::size_t least, std::size_t most);
/// Of a switch: "1" or "true", "0" or "false".
Read into(bool& target);

/// What a program says about itself.
struct Program {
  std::string name;          ///< "quartet-pace"
  std::string summary;       ///< one sentence for --help
  std::string version = "";  ///< what --version prints; empty: there is no such option
  std::string footer = "";   ///< the end of --help
};

struct Option {
  std::string name;  ///< "--rate", "-d,--duration", or "ADDRESS" for a word that stands by itself
  std::string metavariable = "";  ///< "TIME", for --help
  std::string help;               ///< a line of it
  Read read;                      ///< is called once, and only where there is a text
  std::string variable = "";      ///< of the environment, read where the command line is silent; empty: none
  bool required = false;
  bool repeated = false;  ///< read is called for each; of other options the last one wins
  bool hidden = false;    ///< not in --help: it is understood only to be refused
};

/// The command line of every program here. CLI11 splits it and prints the help. The values are read by
/// the program, because an error has to say where its text came from. Only this class includes CLI11: a file
/// that does so takes half a minute to compile.
class CommandLine {
 public:
  explicit CommandLine(const Program& program);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// The heading in --help above the options that follow.
  void group(const std::string& name);
  void add(const Option& option);
  /// An option without a value; "--name=false" is one all the same.
  void add_switch(const Option& option);
  /// A switch that prints a text and exits, as --version does.
  void add_printer(const std::string& name, const std::string& help, std::function<std::string()> text);

  /// Reads them in the order in which they were added: a later one may depend on an earlier one's value.
  /// Exits with 0 after --help, --version and other printers.
  /// @throws UsageError; std::system_error where --help cannot be printed
  void parse(int argc, const char* const* argv);

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace quartet::app
