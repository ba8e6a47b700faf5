#include "common/program/command_line.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include "tests/app/captured.h"

namespace quartet::app {
namespace {

using Texts = std::vector<std::string>;

/// A program with an option of each kind.
struct Example {
  std::string word, name = "nobody", hidden;
  std::size_t count = 0;
  bool loud = false;
  Texts friends, order;

  void parse(std::vector<const char*> words) {
    CommandLine command_line(
        {.name = "example", .summary = "An example.", .version = "example 1", .footer = "The end."});
    command_line.add_printer("--shape", "Print its shape", [] { return "{}"; });
    command_line.add({.name = "WORD", .help = "A word", .read = into(word), .required = true});
    command_line.group("Company");
    command_line.add({.name = "-n,--name",
                      .metavariable = "NAME",
                      .help = "Whose",
                      .read = [&](const std::string& text) { order.push_back(name = text); },
                      .variable = "EXAMPLE_NAME"});
    command_line.add(
        {.name = "--count", .metavariable = "N", .help = "How many", .read = [&](const std::string& text) {
           into(count, 1, 5)(text);
           order.push_back(text);
         }});
    command_line.add({.name = "--friend",
                      .metavariable = "NAME",
                      .help = "Repeat it",
                      .read = [&](const std::string& text) { friends.push_back(text); },
                      .repeated = true});
    command_line.add_switch({.name = "--loud", .help = "A switch", .read = into(loud)});
    command_line.add({.name = "--hidden", .help = "Nothing", .read = into(hidden), .hidden = true});
    words.insert(words.begin(), "example");
    command_line.parse(static_cast<int>(words.size()), words.data());
  }
};

std::string error_of(const std::vector<const char*>& words) try {
  Example().parse(words);
  return "";
} catch (const UsageError& error) {
  return error.what();
}

TEST(CommandLine, LeavesAloneWhatIsNotSaid) {
  Example example;
  example.parse({"hello"});
  EXPECT_EQ(example.word, "hello");
  EXPECT_EQ(example.name, "nobody");
  EXPECT_FALSE(example.loud);
  EXPECT_EQ(example.order, Texts());
}

TEST(CommandLine, ReadsInTheOrderOfItsOptions) {
  Example example;
  example.parse({"--count", "3", "hello", "-n", "me"});
  EXPECT_EQ(example.order, (Texts{"me", "3"}));
}

TEST(CommandLine, TakesTheLastOfAnOptionAndEachOfARepeatedOne) {
  Example example;
  example.parse({"--name", "a", "--friend", "b", "hello", "--friend=c", "--name=d", "--friend", ""});
  EXPECT_EQ(example.order, Texts{"d"});
  EXPECT_EQ(example.friends, (Texts{"b", "c", ""}));
  EXPECT_EQ(example.word, "hello");
}

TEST(CommandLine, TakesTextsAsTheyAreWritten) {
  for (const auto* text : {"", "{}", "[a,b]", "a,b", "%%", "\"quoted\"", "-", "a b", "1:2", "\xff"}) {
    Example example;
    example.parse({text, "--name", text, "--friend", text});
    EXPECT_EQ(example.word, text);
    EXPECT_EQ(example.name, text);
    EXPECT_EQ(example.friends, Texts{text});
  }
}

TEST(CommandLine, SwitchesOnAndOff) {
  for (const auto& [word, loud] : {std::pair("--loud", true), {"--loud=true", true}, {"--loud=0", false}}) {
    Example example;
    example.parse({"hello", word});
    EXPECT_EQ(example.loud, loud) << word;
  }
  EXPECT_EQ(error_of({"hello", "--loud=maybe"}), "--loud: \"maybe\" is neither 1 nor 0");
}

TEST(CommandLine, NamesWhatIsWrong) {
  EXPECT_EQ(error_of({"hello", "--count", "6"}), "--count: \"6\" is not a whole number from 1 to 5");
  EXPECT_EQ(error_of({"hello", "-n"}), "--name: a value is missing");
  EXPECT_EQ(error_of({"hello", "--friend"}), "--friend: a value is missing");
  EXPECT_EQ(error_of({"hello", "--nam", "x"}), "The following arguments were not expected: x --nam");
  EXPECT_EQ(error_of({"hello", "twice"}), "The following argument was not expected: twice");
  EXPECT_EQ(error_of({}), "WORD is required");
}

TEST(CommandLine, AsksTheEnvironmentWhereItIsSilent) {
  const auto name_of = [](const std::vector<const char*>& words) {
    Example example;
    example.parse(words);
    return example.name;
  };
  ::setenv("EXAMPLE_NAME", "variable", 1);
  EXPECT_EQ(name_of({"hello"}), "variable");
  EXPECT_EQ(name_of({"hello", "--name", "option"}), "option");
  ::setenv("EXAMPLE_NAME", "", 1);
  EXPECT_EQ(name_of({"hello"}), "nobody");
  ::unsetenv("EXAMPLE_NAME");
}

Captured print(const char* word) {
  return run_captured([&] {
    Example().parse({word});
    return 1;
  });
}

TEST(CommandLine, PrintsHelpAndVersionAndExits) {
  const auto help = print("--help");
  EXPECT_EQ(help.exit_status(), 0);
  for (const auto* part : {"An example.", "WORD", "Company:", "-n,--name NAME", "--loud", "The end."})
    EXPECT_NE(help.output.find(part), std::string::npos) << part << " in: " << help.output;
  EXPECT_EQ(help.output.find("hidden"), std::string::npos);
  const auto version = print("--version");
  EXPECT_EQ(version.exit_status(), 0);
  EXPECT_EQ(version.output, "example 1\n");
}

TEST(CommandLine, HasOtherPrintersLikeVersion) {
  const auto shape = print("--shape");
  EXPECT_EQ(shape.exit_status(), 0);
  EXPECT_EQ(shape.output, "{}\n");
  EXPECT_NE(print("--help").output.find("--shape"), std::string::npos);
}

TEST(CommandLine, DoesNotPrintIntoAFullDiskInSilence) {
  const auto shape = run_captured([] {
    ::dup2(::open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
    EXPECT_THROW(Example().parse({"--shape"}), std::system_error);
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(shape.exit_status(), 0) << shape.errors;
}

}  // namespace
}  // namespace quartet::app
