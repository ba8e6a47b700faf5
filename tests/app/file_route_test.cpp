#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/http/date.h"
#include "common/net/fd.h"
#include "common/net/system.h"
#include "common/routes/routes.h"
#include "tests/app/captured.h"

namespace quartet::app {
namespace {

namespace fs = std::filesystem;
using http::Field;
using http::FileResponse;
using http::Method;
using http::Outcome;
using http::Response;
using Fields = std::vector<Field>;

constexpr std::time_t kModified = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
constexpr const char* kDate = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kEarlier = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* kLater = "Sun, 06 Nov 1994 08:49:38 GMT";

/// A scratch directory: root/ is served, outside/ is not.
class FileRoute : public testing::Test {
 protected:
  FileRoute() {
    std::string pattern = (fs::temp_directory_path() / "quartet-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) net::throw_errno("mkdtemp");
    scratch_ = pattern;
    fs::create_directories(scratch_ / "root/sub");
    fs::create_directories(scratch_ / "outside");
    write("root/hello.txt", "0123456789");
    write("root/sub/deep.html", "<p>deep");
    write("root/empty", "");
    write("outside/secret.txt", "secret");
    write("secret.txt", "secret");
    add_file_route(router_, scratch_ / "root");
  }
  ~FileRoute() override { fs::remove_all(scratch_); }

  void write(const fs::path& name, std::string_view text) {
    std::ofstream(scratch_ / name) << text;
    set_modified(name, kModified);
  }

  void set_modified(const fs::path& name, std::time_t seconds) {
    const timespec times[] = {{seconds, 0}, {seconds, 0}};
    net::check(::utimensat(AT_FDCWD, (scratch_ / name).c_str(), times, 0), "utimensat");
  }

  void link(const std::string& target, const fs::path& name) {
    fs::create_symlink(target, scratch_ / "root" / name);
  }

  Outcome get(const std::string& name, const Fields& fields = {}, Method method = Method::get) {
    const std::string path = "/file/" + name;
    const http::Route* route = router_.find(path);
    if (route == nullptr) throw std::out_of_range(path);
    http::Request request;
    request.method = method;
    request.path = path;
    request.fields = fields;
    return route->handler(request, slot_);
  }

  /// The status of an answer, whether it has a file or not.
  int status(const std::string& name, const Fields& fields = {}, Method method = Method::get) {
    const Outcome outcome = get(name, fields, method);
    if (const auto* response = std::get_if<Response>(&outcome)) return response->status;
    return std::get<FileResponse>(outcome).response.status;
  }

  std::string etag() { return field(std::get<FileResponse>(get("hello.txt")).response, "ETag"); }

  static std::string field(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.fields) {
      if (key == name) return value;
    }
    return "";
  }

  static std::string content(const FileResponse& answer) {
    std::string text(answer.file.length(), '\0');
    const auto offset = static_cast<off_t>(answer.file.offset());
    const auto count = ::pread(answer.file.descriptor(), text.data(), text.size(), offset);
    EXPECT_EQ(count, static_cast<ssize_t>(text.size()));
    return text;
  }

  fs::path scratch_;
  http::Router router_;
  http::Slot slot_;
};

TEST_F(FileRoute, SendsAFile) {
  const auto answer = std::get<FileResponse>(get("hello.txt"));
  EXPECT_EQ(answer.response.status, 200);
  EXPECT_EQ(answer.response.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(content(answer), "0123456789");
  EXPECT_EQ(field(answer.response, "Last-Modified"), kDate);
  EXPECT_EQ(field(answer.response, "Accept-Ranges"), "bytes");
  EXPECT_EQ(field(answer.response, "Content-Range"), "");
}

TEST_F(FileRoute, SendsFilesOfSubdirectoriesAndEmptyOnes) {
  EXPECT_EQ(content(std::get<FileResponse>(get("sub/deep.html"))), "<p>deep");
  EXPECT_EQ(std::get<FileResponse>(get("empty")).file.length(), 0u);
  EXPECT_EQ(status("empty"), 200);
}

TEST_F(FileRoute, KnowsContentTypesByExtension) {
  const auto type = [&](const std::string& name) {
    write("root/" + name, "x");
    return std::get<FileResponse>(get(name)).response.content_type;
  };
  EXPECT_EQ(type("a.html"), "text/html; charset=utf-8");
  EXPECT_EQ(type("a.CSS"), "text/css; charset=utf-8");
  EXPECT_EQ(type("a.min.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(type("a.json"), "application/json");
  EXPECT_EQ(type("a.svg"), "image/svg+xml");
  EXPECT_EQ(type("a.png"), "image/png");
  EXPECT_EQ(type("a.jpg"), "image/jpeg");
  EXPECT_EQ(type("a.unknown"), "application/octet-stream");
  EXPECT_EQ(type("html"), "application/octet-stream");
  EXPECT_EQ(type("a."), "application/octet-stream");
}

TEST_F(FileRoute, NeedsAName) { EXPECT_EQ(router_.find("/file/"), nullptr); }

TEST_F(FileRoute, FindsNothingWhereNothingIs) {
  EXPECT_EQ(status("missing.txt"), 404);
  EXPECT_EQ(status("hello.txt/"), 404);
  EXPECT_EQ(status("hello.txt/x"), 404);
  EXPECT_EQ(status(std::string(300, 'x')), 404);
  EXPECT_EQ(status(std::string(5000, 'x')), 404);
  EXPECT_EQ(status(std::string("hello.txt\0.png", 14)), 404);
}

TEST_F(FileRoute, NeverLeavesItsRoot) {
  for (const std::string name : {"../secret.txt", "../outside/secret.txt", "sub/../../secret.txt", "..",
                                 "../root/hello.txt", "/etc/passwd", "//etc/passwd", "./../secret.txt"}) {
    EXPECT_EQ(status(name), 404) << name;
  }
  EXPECT_EQ(status((scratch_ / "root/hello.txt").string()), 404);
  EXPECT_EQ(status("sub/../hello.txt"), 200);
}

TEST_F(FileRoute, FollowsLinksThatStayInside) {
  link("hello.txt", "inside.txt");
  link("../hello.txt", "sub/up.txt");
  link("sub", "directory");
  EXPECT_EQ(content(std::get<FileResponse>(get("inside.txt"))), "0123456789");
  EXPECT_EQ(content(std::get<FileResponse>(get("sub/up.txt"))), "0123456789");
  EXPECT_EQ(content(std::get<FileResponse>(get("directory/deep.html"))), "<p>deep");
}

TEST_F(FileRoute, RefusesLinksThatLeadOutside) {
  link("../secret.txt", "relative.txt");
  link((scratch_ / "outside/secret.txt").string(), "absolute.txt");
  link((scratch_ / "outside").string(), "directory");
  link("../outside", "sub/up");
  link("loop", "loop");
  link("/proc/self/exe", "magic");
  for (const std::string name :
       {"relative.txt", "absolute.txt", "directory/secret.txt", "sub/up/secret.txt", "loop", "magic"}) {
    EXPECT_EQ(status(name), 404) << name;
  }
}

TEST_F(FileRoute, ServesRegularFilesOnly) {
  ASSERT_EQ(::mkfifo((scratch_ / "root/fifo").c_str(), 0600), 0);
  const net::Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  (scratch_ / "root/socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  for (const std::string name : {"fifo", "socket", "sub", "sub/", "."}) EXPECT_EQ(status(name), 404) << name;
}

TEST_F(FileRoute, SaysWhenItMayNotRead) {
  if (::geteuid() == 0) {
    const Captured run = run_captured([this] {
      fs::permissions(scratch_, fs::perms::all);
      fs::permissions(scratch_ / "root/hello.txt", fs::perms::none);
      net::check(::setresuid(65534, 65534, 65534), "setresuid");
      return status("hello.txt") == 403 ? 0 : 1;
    });
    EXPECT_EQ(run.exit_status(), 0);
  } else {
    fs::permissions(scratch_ / "root/hello.txt", fs::perms::none);
    EXPECT_EQ(status("hello.txt"), 403);
  }
}

TEST_F(FileRoute, IsUnavailableWithoutAFreeDescriptor) {
  const http::Handler& handler = router_.find("/file/hello.txt")->handler;
  http::Request request;
  request.path = "/file/hello.txt";
  rlimit limit{};
  net::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  net::check(::setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
  const Outcome outcome = handler(request, slot_);  // nothing else here: UBSan needs descriptors as well
  net::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  EXPECT_EQ(std::get<Response>(outcome).status, 503);
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

TEST_F(FileRoute, LeaksNoDescriptor) {
  const std::string tag = etag();
  const std::size_t before = open_descriptors();
  status("hello.txt");
  status("sub");
  status("hello.txt", {{"Range", "bytes=50-"}});
  status("hello.txt", {{"If-None-Match", tag}});
  status("hello.txt", {{"If-Match", "\"other\""}});
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(FileRoute, IsRefusedAtStartWithoutItsDirectory) {
  http::Router router;
  EXPECT_THROW(add_file_route(router, scratch_ / "missing"), std::system_error);
  EXPECT_THROW(add_file_route(router, scratch_ / "secret.txt"), std::system_error);
}

TEST_F(FileRoute, TagChangesWithTheFile) {
  const std::string first = etag();
  EXPECT_EQ(etag(), first);
  EXPECT_TRUE(first.starts_with('"') && first.ends_with('"'));
  write("root/hello.txt", "longer than before");
  const std::string longer = etag();
  EXPECT_NE(longer, first);
  set_modified("root/hello.txt", kModified + 1);
  EXPECT_NE(etag(), longer);
}

TEST_F(FileRoute, IsNeverModifiedInTheFuture) {
  const std::time_t now = std::time(nullptr);
  set_modified("root/hello.txt", now + 100'000);
  const auto answer = std::get<FileResponse>(get("hello.txt"));
  const auto modified = http::parse_http_date(field(answer.response, "Last-Modified"));
  ASSERT_TRUE(modified);
  EXPECT_LT(*modified, now + 100'000);
}

TEST_F(FileRoute, IfNoneMatchComparesWeaklyAndTakesLists) {
  const std::string tag = etag();
  for (const auto& value : std::vector<std::string>{tag, "W/" + tag, "*", "\"x\", " + tag,
                                                    "\"a,b\" ,, W/" + tag + ",\"y\"", " " + tag + " "}) {
    EXPECT_EQ(status("hello.txt", {{"If-None-Match", value}}), 304) << value;
    EXPECT_EQ(status("hello.txt", {{"if-none-match", value}}, Method::head), 304) << value;
  }
  for (const auto& value : std::vector<std::string>{std::string("\"x\""), std::string(""),
                                                    std::string("nonsense"), std::string("W/"), "\"" + tag,
                                                    tag.substr(0, tag.size() - 1), std::string("w/") + tag}) {
    EXPECT_EQ(status("hello.txt", {{"If-None-Match", value}}), 200) << value;
  }
}

TEST_F(FileRoute, IfNoneMatchMayComeInSeveralLines) {
  const std::string tag = etag();
  const Field accept{"Accept", "*/*"}, ours{"If-None-Match", tag}, other{"If-None-Match", "\"x\""};
  EXPECT_EQ(status("hello.txt", {other, accept, ours}), 304);
  EXPECT_EQ(status("hello.txt", {ours, accept, other}), 304);
  EXPECT_EQ(status("hello.txt", {other, accept, other}), 200);
}

TEST_F(FileRoute, NotModifiedKeepsItsValidators) {
  const std::string tag = etag();
  const auto response = std::get<Response>(get("hello.txt", {{"If-None-Match", tag}}));
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(field(response, "ETag"), tag);
  EXPECT_EQ(field(response, "Last-Modified"), kDate);
}

TEST_F(FileRoute, IfModifiedSinceTakesAllDateFormats) {
  for (const char* date : {kDate, kLater, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(status("hello.txt", {{"If-Modified-Since", date}}), 304) << date;
  }
  EXPECT_EQ(status("hello.txt", {{"If-Modified-Since", kEarlier}}), 200);
}

TEST_F(FileRoute, IfModifiedSinceIsIgnoredWhenInvalidOrRepeated) {
  EXPECT_EQ(status("hello.txt", {{"If-Modified-Since", "yesterday"}}), 200);
  EXPECT_EQ(status("hello.txt", {{"If-Modified-Since", kDate}, {"If-Modified-Since", kDate}}), 200);
}

TEST_F(FileRoute, IfNoneMatchOverrulesIfModifiedSince) {
  EXPECT_EQ(status("hello.txt", {{"If-Modified-Since", kLater}, {"If-None-Match", "\"x\""}}), 200);
  EXPECT_EQ(status("hello.txt", {{"If-Modified-Since", kEarlier}, {"If-None-Match", etag()}}), 304);
}

TEST_F(FileRoute, IfMatchComparesStrongly) {
  const std::string tag = etag();
  EXPECT_EQ(status("hello.txt", {{"If-Match", tag}}), 200);
  EXPECT_EQ(status("hello.txt", {{"If-Match", "*"}}), 200);
  EXPECT_EQ(status("hello.txt", {{"If-Match", "\"x\", " + tag}}), 200);
  EXPECT_EQ(status("hello.txt", {{"If-Match", "W/" + tag}}), 412);
  EXPECT_EQ(status("hello.txt", {{"If-Match", "\"x\""}}), 412);
}

TEST_F(FileRoute, IfUnmodifiedSinceFailsForALaterFile) {
  EXPECT_EQ(status("hello.txt", {{"If-Unmodified-Since", kEarlier}}), 412);
  EXPECT_EQ(status("hello.txt", {{"If-Unmodified-Since", kDate}}), 200);
  EXPECT_EQ(status("hello.txt", {{"If-Unmodified-Since", "yesterday"}}), 200);
  EXPECT_EQ(status("hello.txt", {{"If-Unmodified-Since", kEarlier}, {"If-Match", etag()}}), 200);
}

TEST_F(FileRoute, IfMatchComesBeforeIfNoneMatch) {
  const std::string tag = etag();
  EXPECT_EQ(status("hello.txt", {{"If-None-Match", tag}, {"If-Match", "\"x\""}}), 412);
  EXPECT_EQ(status("hello.txt", {{"If-None-Match", tag}, {"If-Match", tag}}), 304);
}

struct RangeCase {
  const char* range;
  const char* content_range;
  const char* content;
};

TEST_F(FileRoute, SendsARange) {
  for (const auto& [range, content_range, text] : {
           RangeCase{"bytes=0-3", "bytes 0-3/10", "0123"},
           RangeCase{"bytes=9-9", "bytes 9-9/10", "9"},
           RangeCase{"bytes=4-", "bytes 4-9/10", "456789"},
           RangeCase{"bytes=4-100", "bytes 4-9/10", "456789"},
           RangeCase{"bytes=4-99999999999999999999999", "bytes 4-9/10", "456789"},
           RangeCase{"bytes=-3", "bytes 7-9/10", "789"},
           RangeCase{"bytes=-100", "bytes 0-9/10", "0123456789"},
           RangeCase{"BYTES=0-0", "bytes 0-0/10", "0"},
       }) {
    const auto answer = std::get<FileResponse>(get("hello.txt", {{"Range", range}}));
    EXPECT_EQ(answer.response.status, 206) << range;
    EXPECT_EQ(field(answer.response, "Content-Range"), content_range) << range;
    EXPECT_EQ(field(answer.response, "ETag"), etag());
    EXPECT_EQ(content(answer), text) << range;
  }
}

TEST_F(FileRoute, RefusesARangeBehindTheEnd) {
  for (const char* range : {"bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"}) {
    const auto response = std::get<Response>(get("hello.txt", {{"Range", range}}));
    EXPECT_EQ(response.status, 416) << range;
    EXPECT_EQ(field(response, "Content-Range"), "bytes */10");
  }
}

TEST_F(FileRoute, IgnoresRangesThatItDoesNotServe) {
  for (const char* range : {"bytes=0-1,4-5", "bytes=3-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=1",
                            "bytes=0-1x", "bytes=--1", "bytes=+1-2", "bytes 0-1", "lines=0-1", "0-1", ""}) {
    const auto answer = std::get<FileResponse>(get("hello.txt", {{"Range", range}}));
    EXPECT_EQ(answer.response.status, 200) << range;
    EXPECT_EQ(content(answer), "0123456789") << range;
  }
  EXPECT_EQ(status("hello.txt", {{"Range", "bytes=0-1"}, {"Range", "bytes=2-3"}}), 200);
}

TEST_F(FileRoute, HasRangesForGetOnly) {
  EXPECT_EQ(status("hello.txt", {{"Range", "bytes=0-1"}}, Method::head), 200);
  EXPECT_EQ(status("hello.txt", {{"Range", "bytes=50-"}}, Method::head), 200);
}

TEST_F(FileRoute, HasNoRangesInAnEmptyFile) {
  for (const char* range : {"bytes=0-", "bytes=-5", "bytes=5-"})
    EXPECT_EQ(status("empty", {{"Range", range}}), 200);
}

TEST_F(FileRoute, IfRangeAsksForTheWholeFileWhenItChanged) {
  const std::string tag = etag();
  const auto status_if = [&](const std::string& validator) {
    return status("hello.txt", {{"Range", "bytes=0-1"}, {"If-Range", validator}});
  };
  EXPECT_EQ(status_if(tag), 206);
  EXPECT_EQ(status_if(kDate), 206);
  EXPECT_EQ(status_if("W/" + tag), 200);
  EXPECT_EQ(status_if("\"x\""), 200);
  EXPECT_EQ(status_if(kLater), 200);
  EXPECT_EQ(status_if(kEarlier), 200);
  EXPECT_EQ(status_if("nonsense"), 200);
  EXPECT_EQ(status("hello.txt", {{"Range", "bytes=50-"}, {"If-Range", "\"x\""}}), 200);
  EXPECT_EQ(status("hello.txt", {{"If-Range", "\"x\""}}), 200);
}

TEST_F(FileRoute, IfRangeDoesNotTrustADateOfThisSecond) {
  set_modified("root/hello.txt", std::time(nullptr) + 1000);  // is served as modified just now
  const auto modified = field(std::get<FileResponse>(get("hello.txt")).response, "Last-Modified");
  EXPECT_EQ(status("hello.txt", {{"Range", "bytes=0-1"}, {"If-Range", modified}}), 200);
}

TEST_F(FileRoute, PreconditionsComeBeforeRanges) {
  EXPECT_EQ(status("hello.txt", {{"Range", "bytes=0-1"}, {"If-None-Match", etag()}}), 304);
  EXPECT_EQ(status("hello.txt", {{"Range", "bytes=50-"}, {"If-Match", "\"x\""}}), 412);
  EXPECT_EQ(status("hello.txt", {{"Range", "bytes=0-1"}, {"If-Match", etag()}}), 206);
}

}  // namespace
}  // namespace quartet::app
