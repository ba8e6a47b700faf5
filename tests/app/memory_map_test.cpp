#include "common/app/memory_map.h"

#include <gtest/gtest.h>

#include <memory>

namespace quartet::app {
namespace {

constexpr std::string_view kMaps =
    "557498661000-557498681000 r--p 00073000 fe:00 11059571                   /opt/a b/server (deleted)\n"
    "7f1f89435000-7f1f89436000 ---p 00000000 00:00 0 \n"
    "7f1f89436000-7f1f89c36000 rw-p 00000000 00:00 0 \n"
    "7ffc4aa0a000-7ffc4aa2b000 rw-p 00000000 00:00 0                          [stack]\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

TEST(ParseMaps, ReadsEveryLine) {
  const auto mappings = parse_maps(kMaps);
  ASSERT_EQ(mappings.size(), 5u);
  EXPECT_EQ(mappings[0].begin, 0x557498661000u);
  EXPECT_EQ(mappings[0].end, 0x557498681000u);
  EXPECT_EQ(mappings[0].size(), 0x20000u);
  EXPECT_EQ(mappings[0].permissions, "r--p");
  EXPECT_EQ(mappings[0].name, "/opt/a b/server (deleted)");
  EXPECT_EQ(mappings[1].name, "");
  EXPECT_EQ(mappings[1].line, "7f1f89435000-7f1f89436000 ---p 00000000 00:00 0 ");
  EXPECT_EQ(mappings[3].name, "[stack]");
  EXPECT_EQ(mappings[4].end, 0xffffffffff601000u);
}

TEST(ParseMaps, LeavesOutWhatIsNoMapping) {
  EXPECT_TRUE(parse_maps("").empty());
  for (const auto* line : {"\n", "heap\n", "1000-2000\n", "2000-1000 rw-p 0 0 0\n", "1000-1000 rw-p 0 0 0\n",
                           "1x00-2000 rw-p 0 0 0\n", "-2000 rw-p 0 0 0\n", "1000-2000 rw 0 0 0\n",
                           "11111111111111111-22222222222222222 rw-p 0 0 0\n"}) {
    EXPECT_TRUE(parse_maps(line).empty()) << line;
  }
  EXPECT_EQ(parse_maps("heap\n1000-2000 rw-p 0 0 0").size(), 1u);
}

TEST(FindMapping, TakesTheFirstAddressAndNotTheEnd) {
  const auto mappings = parse_maps(kMaps);
  EXPECT_EQ(find_mapping(mappings, 0x7ffc4aa0a000), &mappings[3]);
  EXPECT_EQ(find_mapping(mappings, 0x7ffc4aa2afff), &mappings[3]);
  EXPECT_EQ(find_mapping(mappings, 0x7ffc4aa2b000), nullptr);
  EXPECT_EQ(find_mapping(mappings, 0), nullptr);
}

TEST(GuardBelow, IsTheInaccessibleMappingThatTouchesTheStack) {
  const auto mappings = parse_maps(kMaps);
  EXPECT_EQ(guard_below(mappings, mappings[2]), &mappings[1]);
  EXPECT_EQ(guard_below(mappings, mappings[3]), nullptr);  // nothing is directly below
  const auto neighbours = parse_maps("1000-2000 rw-p 0 0 0\n2000-3000 rw-p 0 0 0\n");
  EXPECT_EQ(guard_below(neighbours, neighbours[1]), nullptr);
}

TEST(ReadMaps, FindsWhatThisProcessUses) {
  const auto allocated = std::make_unique<int>(1);
  const auto mappings = read_maps();
  const Mapping* mapping = find_mapping(mappings, reinterpret_cast<std::uintptr_t>(allocated.get()));
  ASSERT_NE(mapping, nullptr);
  EXPECT_EQ(mapping->permissions, "rw-p");
}

}  // namespace
}  // namespace quartet::app
