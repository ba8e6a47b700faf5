#include "common/routes/memory_map.h"

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
  const auto regions = parse_maps(kMaps);
  ASSERT_EQ(regions.size(), 5u);
  EXPECT_EQ(regions[0].begin, 0x557498661000u);
  EXPECT_EQ(regions[0].end, 0x557498681000u);
  EXPECT_EQ(regions[0].size(), 0x20000u);
  EXPECT_EQ(regions[0].permissions, "r--p");
  EXPECT_EQ(regions[0].name, "/opt/a b/server (deleted)");
  EXPECT_EQ(regions[1].name, "");
  EXPECT_EQ(regions[1].line, "7f1f89435000-7f1f89436000 ---p 00000000 00:00 0 ");
  EXPECT_EQ(regions[3].name, "[stack]");
  EXPECT_EQ(regions[4].end, 0xffffffffff601000u);
}

TEST(ParseMaps, LeavesOutWhatIsNoRegion) {
  EXPECT_TRUE(parse_maps("").empty());
  for (const auto* line : {"\n", "heap\n", "1000-2000\n", "2000-1000 rw-p 0 0 0\n", "1000-1000 rw-p 0 0 0\n",
                           "1x00-2000 rw-p 0 0 0\n", "-2000 rw-p 0 0 0\n", "1000-2000 rw 0 0 0\n",
                           "11111111111111111-22222222222222222 rw-p 0 0 0\n"}) {
    EXPECT_TRUE(parse_maps(line).empty()) << line;
  }
  EXPECT_EQ(parse_maps("heap\n1000-2000 rw-p 0 0 0").size(), 1u);
}

TEST(FindRegion, TakesTheFirstAddressAndNotTheEnd) {
  const auto regions = parse_maps(kMaps);
  EXPECT_EQ(find_region(regions, 0x7ffc4aa0a000), &regions[3]);
  EXPECT_EQ(find_region(regions, 0x7ffc4aa2afff), &regions[3]);
  EXPECT_EQ(find_region(regions, 0x7ffc4aa2b000), nullptr);
  EXPECT_EQ(find_region(regions, 0), nullptr);
}

TEST(GuardBelow, IsTheInaccessibleRegionThatTouchesTheStack) {
  const auto regions = parse_maps(kMaps);
  EXPECT_EQ(guard_below(regions, regions[2]), &regions[1]);
  EXPECT_EQ(guard_below(regions, regions[3]), nullptr);  // nothing is directly below
  const auto neighbours = parse_maps("1000-2000 rw-p 0 0 0\n2000-3000 rw-p 0 0 0\n");
  EXPECT_EQ(guard_below(neighbours, neighbours[1]), nullptr);
}

TEST(ReadMaps, FindsWhatThisProcessUses) {
  const auto allocated = std::make_unique<int>(1);
  const auto regions = read_maps();
  const Region* region = find_region(regions, reinterpret_cast<std::uintptr_t>(allocated.get()));
  ASSERT_NE(region, nullptr);
  EXPECT_EQ(region->permissions, "rw-p");
}

}  // namespace
}  // namespace quartet::app
