#include "common/http/router.h"

#include <gtest/gtest.h>

namespace quartet::http {
namespace {

Route route(std::string path, std::vector<Method> methods = {Method::get}) {
  return {std::move(methods), std::move(path), "for tests", false,
          [](const Request&, const Slot&) -> Outcome { return text_response(200, ""); }};
}

std::string path_of(const Route* found) { return found == nullptr ? "none" : found->path; }

TEST(Router, FindsNothingWhereNothingIs) { EXPECT_EQ(Router{}.find("/"), nullptr); }

TEST(Router, FindsExactPaths) {
  Router router;
  router.add(route("/a"));
  router.add(route("/ab"));
  EXPECT_EQ(path_of(router.find("/a")), "/a");
  EXPECT_EQ(path_of(router.find("/ab")), "/ab");
  for (const auto path : {"", "/", "/abc", "/A", "/a/", "/a/b", "a", "//a"})
    EXPECT_EQ(path_of(router.find(path)), "none") << path;
}

TEST(Router, FindsPrefixesOfAtLeastOneMoreCharacter) {
  Router router;
  router.add(route("/file/"));
  EXPECT_EQ(path_of(router.find("/file/a")), "/file/");
  EXPECT_EQ(path_of(router.find("/file/a/b")), "/file/");
  for (const auto path : {"/file/", "/file", "/fileA", "/File/a"})
    EXPECT_EQ(path_of(router.find(path)), "none") << path;
}

TEST(Router, TakesTheRootForItselfOnly) {
  Router router;
  router.add(route("/"));
  EXPECT_EQ(path_of(router.find("/")), "/");
  EXPECT_EQ(path_of(router.find("/a")), "none");
}

TEST(Router, KeepsTheOrderOfItsRoutes) {
  Router router;
  for (const auto path : {"/c", "/a", "/b"}) router.add(route(path));
  ASSERT_EQ(router.routes().size(), 3U);
  EXPECT_EQ(router.routes()[0].path, "/c");
  EXPECT_EQ(router.routes()[2].path, "/b");
}

TEST(Route, AllowsHeadWithGetAndOptionsAlways) {
  const auto gets = route("/a");
  EXPECT_TRUE(gets.allows(Method::get) && gets.allows(Method::head) && gets.allows(Method::options));
  EXPECT_FALSE(gets.allows(Method::post));
  const auto posts = route("/b", {Method::post});
  EXPECT_TRUE(posts.allows(Method::post) && posts.allows(Method::options));
  EXPECT_FALSE(posts.allows(Method::get) || posts.allows(Method::head));
}

TEST(Route, ListsWhatItAllows) {
  EXPECT_EQ(route("/a").allow(), "GET, HEAD, OPTIONS");
  EXPECT_EQ(route("/b", {Method::post, Method::put}).allow(), "POST, PUT, OPTIONS");
}

TEST(Router, ListsWhatSomeRouteAllowsOnce) {
  Router router;
  router.add(route("/a"));
  router.add(route("/b", {Method::get, Method::delete_}));
  EXPECT_EQ(router.allow(), "GET, HEAD, DELETE, OPTIONS");
}

}  // namespace
}  // namespace quartet::http
