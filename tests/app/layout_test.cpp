#include "common/routes/layout.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>

#include "common/routes/routes.h"

namespace quartet::app {
namespace {

using http::Request;
using http::Response;

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

Layout fixture(std::string_view maps) {
  return {.process = 10,
          .thread = 11,
          .worker = 2,
          .generation = 3,
          .regions = parse_maps(maps),
          .landmarks = {},
          .no_guard = ""};
}

TEST(LayoutText, HasALineForEachLandmarkWithItsRegion) {
  Layout layout = fixture("1000-3000 r-xp 0 0 0   /bin/x\n");
  layout.landmarks = {{"code", "a handler", 0x1234}};
  layout.no_guard = "none";
  EXPECT_EQ(layout_text(layout),
            "pid 10, tid 11 (not the main thread), worker 2, generation 3\n\n"
            "code            000000001234  1000-3000 r-xp 0 0 0   /bin/x\n"
            "guard page      none\n");
  layout.thread = 10;
  EXPECT_NE(layout_text(layout).find("(the main thread)"), std::string::npos);
}

TEST(LayoutPage, EscapesNamesOfFiles) {
  Layout layout = fixture("1000-3000 r-xp 0 0 0   /tmp/<b>\"&\n");
  layout.landmarks = {{"code", "a < b", 0x1234}};
  const std::string page = layout_page(layout);
  EXPECT_EQ(page.find("<b>\"&"), std::string::npos);
  EXPECT_NE(page.find("title=\"/tmp/&lt;b&gt;&quot;&amp;\">&lt;b&gt;&quot;&amp;<"), std::string::npos);
  EXPECT_NE(page.find("a &lt; b"), std::string::npos);
  EXPECT_NE(page.find("1000-3000 r-xp 0 0 0   /tmp/&lt;b&gt;&quot;&amp;\n"), std::string::npos);
}

TEST(LayoutPage, DrawsHighAddressesFirst) {
  const std::string page = layout_page(fixture("1000-2000 r--p 0 0 0 /low\n8000-9000 rw-p 0 0 0 /high\n"));
  EXPECT_LT(page.find(">high<"), page.find(">low<"));
}

TEST(LayoutPage, ShowsGapsAndTheirSize) {
  const std::string page =
      layout_page(fixture("1000-2000 r--p 0 0 0 /a\n2000-3000 r--p 0 0 0 /b\n"
                          "103000-104000 r--p 0 0 0 /c\n"));
  EXPECT_EQ(occurrences(page, "not mapped"), 2u);
  EXPECT_NE(page.find("1 MiB not mapped"), std::string::npos);
  EXPECT_NE(page.find("4 KiB not mapped"), std::string::npos);  // down to 0
}

TEST(LayoutPage, DrawsNeighboursOfOneNameAsOneUnlessALandmarkIsThere) {
  Layout layout =
      fixture("1000-2000 r--p 0 0 0 /lib\n2000-3000 r-xp 0 0 0 /lib\n3000-4000 rw-p 0 0 0 /lib\n");
  const std::string one = layout_page(layout);
  EXPECT_EQ(occurrences(one, "class=\"row\""), 1u);
  EXPECT_NE(one.find("12 KiB, 3 regions"), std::string::npos);
  layout.landmarks = {{"code", "", 0x2000}};
  EXPECT_EQ(occurrences(layout_page(layout), "class=\"row\""), 3u);
}

TEST(LayoutPage, DrawsLargerRegionsHigher) {
  const std::string page = layout_page(fixture("1000-2000 r--p 0 0 0 /a\n100000-200000 r--p 0 0 0 /b\n"));
  EXPECT_NE(page.find("min-height:16px"), std::string::npos);
  EXPECT_NE(page.find("min-height:56px"), std::string::npos);  // 8 doublings
}

TEST(LayoutPage, LeavesOutTheKernelsHalf) {
  const std::string page = layout_page(
      fixture("1000-2000 r--p 0 0 0 /a\nffffffffff600000-ffffffffff601000 --xp 0 0 0 [vsyscall]\n"));
  EXPECT_EQ(occurrences(page, "class=\"row\""), 1u);
  EXPECT_EQ(page.find("EiB"), std::string::npos);
}

TEST(LayoutPage, SaysWhyThereIsNoGuardBelowTheStack) {
  Layout layout = fixture("8000-9000 rw-p 0 0 0 [stack]\n");
  layout.landmarks = {{"stack", "", 0x8800}};
  layout.no_guard = "none <here>";
  EXPECT_EQ(occurrences(layout_page(layout), "none &lt;here&gt;"), 2u);  // in the picture and below it
}

TEST(LayoutPage, LandmarksSideBySideAreDrawnApartAndInside) {
  Layout layout = fixture("1000-2000 rw-p 0 0 0\n");
  layout.landmarks = {{"heap", "", 0x1fff}, {"bss", "", 0x1004}, {"data", "", 0x1003}, {"code", "", 0x1002}};
  const std::string page = layout_page(layout);
  for (const auto* place : {"top:7%", "top:81%", "top:88%", "top:95%"})
    EXPECT_NE(page.find(place), std::string::npos) << place;
}

class LayoutRoute : public testing::Test {
 protected:
  LayoutRoute() { add_layout_route(router_); }

  Response get(std::string_view query) {
    Request request;
    request.path = "/layout";
    request.query = query;
    return std::get<Response>(router_.find("/layout")->handler(request, slot_));
  }

  http::Router router_;
  http::Slot slot_;
};

TEST_F(LayoutRoute, IsTextUnlessAskedForHtml) {
  EXPECT_TRUE(get("").content_type.starts_with("text/plain"));
  EXPECT_EQ(get("format=text").content_type, get("").content_type);
  EXPECT_EQ(get("format=html").content_type, "text/html; charset=utf-8");
  EXPECT_EQ(get("format=png").body, "format: \"png\" is not one of text, html\n");
}

TEST_F(LayoutRoute, ThePageNeedsNothingElse) {
  const std::string page = get("format=html").body;
  EXPECT_TRUE(page.starts_with("<!doctype html>\n"));
  for (const auto* part : {"<script", "http:", "https:", "src=", "url("})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST_F(LayoutRoute, AThreadHasAGuardPageBelowItsStack) {
  std::string text;
  std::thread([&] { text = get("").body; }).join();
  EXPECT_NE(text.find("(not the main thread)"), std::string::npos);
  const auto guard = text.substr(text.find("\nguard page"));
  EXPECT_NE(guard.find(" ---p "), std::string::npos) << text;
}

TEST_F(LayoutRoute, TheMainThreadHasNone) {
  ASSERT_EQ(::gettid(), ::getpid());
  EXPECT_NE(get("").body.find("guard page      none of its own: the kernel keeps stack_guard_gap free"),
            std::string::npos)
      << get("").body;
}

}  // namespace
}  // namespace quartet::app
