#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>
#include <memory>
#include <optional>

#include "common/http/date.h"
#include "common/net/fd.h"
#include "common/net/system.h"
#include "common/program/number.h"
#include "common/routes/routes.h"

namespace quartet::app {
namespace {

using http::FileResponse;
using http::Method;
using http::Outcome;
using http::Request;
using http::Response;

constexpr std::string_view kPrefix = "/file/";

/// Opens without ever leaving `directory`, be it by "..", by an absolute name or by a symbolic link: the
/// kernel resolves the whole name itself (openat2(2)), so there is no moment between check and use.
/// @return empty with errno set on failure
net::Fd open_beneath(int directory, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;  // a FIFO without a writer must not hang us
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long descriptor = 0;
  int attempts = 16;  // EAGAIN: a rename went on meanwhile, so that the kernel could not be sure
  do {
    descriptor = ::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how);
  } while (descriptor < 0 && net::is_transient(errno) && --attempts > 0);
  return net::Fd(static_cast<int>(descriptor));
}

/// @throws std::system_error also where the kernel or a seccomp filter refuses openat2: there is no safe
/// substitute
net::Fd open_root(const std::filesystem::path& root) {
  net::Fd directory(
      net::check(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "--root " + root.string()));
  if (!open_beneath(directory.get(), ".")) net::throw_errno("--root " + root.string() + ": openat2");
  return directory;
}

Response cannot_open(int error) {
  if (net::is_exhausted(error)) return http::text_response(503, "no descriptor is free to open the file");
  if (error == EACCES || error == EPERM) return http::text_response(403, "the server may not read this file");
  if (error == EIO || error == ENOSYS) return http::text_response(500, "the file cannot be opened");
  return http::text_response(404, "no such file");  // also for whatever leads out of the root
}

struct ContentType {
  std::string_view extension;
  std::string_view type;
};
constexpr ContentType kContentTypes[] = {
    {".css", "text/css; charset=utf-8"},
    {".gif", "image/gif"},
    {".htm", "text/html; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".ico", "image/x-icon"},
    {".jpeg", "image/jpeg"},
    {".jpg", "image/jpeg"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".md", "text/markdown; charset=utf-8"},
    {".mp4", "video/mp4"},
    {".pdf", "application/pdf"},
    {".png", "image/png"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain; charset=utf-8"},
    {".wasm", "application/wasm"},
    {".webp", "image/webp"},
    {".woff2", "font/woff2"},
    {".xml", "application/xml"},
};

std::string_view content_type_of(std::string_view name) {
  const std::string_view extension = name.substr(std::min(name.rfind('.'), name.size()));
  for (const auto& [known, type] : kContentTypes) {
    if (http::equals_ignoring_case(extension, known)) return type;
  }
  return "application/octet-stream";
}

struct Representation {
  std::uint64_t size;
  std::string etag;
  std::time_t modified;
  std::string_view content_type;
};

Representation describe(const struct stat& status, std::string_view name) {
  const auto [second, nanosecond] = status.st_mtim;
  return {.size = static_cast<std::uint64_t>(status.st_size),
          .etag = fmt::format("\"{:x}.{:09x}-{:x}-{:x}\"", second, nanosecond, status.st_size, status.st_ino),
          // never later than Date (RFC 9110, 8.8.2.1)
          .modified = std::min(second, std::time(nullptr)),
          .content_type = content_type_of(name)};
}

Response response_with(int status, const Representation& representation) {
  return {.status = status,
          .content_type = representation.content_type,
          .body = {},
          .fields = {{"ETag", representation.etag},
                     {"Last-Modified", http::format_http_date(representation.modified)},
                     {"Accept-Ranges", "bytes"}}};
}

enum class Comparison { strong, weak };

bool same_tag(std::string_view tag, std::string_view etag, Comparison comparison) {
  if (comparison == Comparison::weak && tag.starts_with("W/")) tag.remove_prefix(2);
  return tag == etag;
}

/// Takes the first entity-tag off a list; "" at its end and where the rest is none. A tag may contain commas.
std::string_view take_tag(std::string_view& list) {
  list.remove_prefix(std::min(list.find_first_not_of(" \t,"), list.size()));
  const std::size_t open = list.starts_with("W/") ? 2 : 0;
  if (list.substr(open, 1) != "\"") return {};
  const std::size_t close = list.find('"', open + 1);
  if (close == std::string_view::npos) return {};
  const std::string_view tag = list.substr(0, close + 1);
  list.remove_prefix(tag.size());
  return tag;
}

bool list_contains(std::string_view list, std::string_view etag, Comparison comparison) {
  if (http::trim(list) == "*") return true;
  for (auto tag = take_tag(list); !tag.empty(); tag = take_tag(list)) {
    if (same_tag(tag, etag, comparison)) return true;
  }
  return false;
}

/// A list may come in several field lines (RFC 9110, 5.3). @return nothing without any
std::optional<bool> tag_listed(const Request& request, std::string_view name, std::string_view etag,
                               Comparison comparison) {
  std::optional<bool> listed;
  for (const http::Field& field : request.fields) {
    if (!http::equals_ignoring_case(field.name, name)) continue;
    listed = listed.value_or(false) || list_contains(field.value, etag, comparison);
  }
  return listed;
}

/// A field that is no list; sent twice it is invalid and counts as absent.
std::optional<std::string_view> single(const Request& request, std::string_view name) {
  const auto named = [&](const http::Field& field) { return http::equals_ignoring_case(field.name, name); };
  if (std::ranges::count_if(request.fields, named) != 1) return std::nullopt;
  return request.header(name);
}

/// Nothing for a date that is absent or invalid: both are ignored.
std::optional<std::time_t> date(const Request& request, std::string_view name) {
  const auto text = single(request, name);
  return text ? http::parse_http_date(*text) : std::nullopt;
}

/// RFC 9110, 13.1.1 and 13.1.4.
bool precondition_failed(const Request& request, const Representation& representation) {
  const auto listed = tag_listed(request, "If-Match", representation.etag, Comparison::strong);
  if (listed) return !*listed;
  const auto since = date(request, "If-Unmodified-Since");
  return since && representation.modified > *since;
}

/// RFC 9110, 13.1.2 and 13.1.3.
bool not_modified(const Request& request, const Representation& representation) {
  const auto listed = tag_listed(request, "If-None-Match", representation.etag, Comparison::weak);
  if (listed) return *listed;
  const auto since = date(request, "If-Modified-Since");
  return since && representation.modified <= *since;
}

/// Whether the client's part is of this very representation (RFC 9110, 13.1.5). A date is weak while the file
/// may still change within the same second.
bool range_applies(const Request& request, const Representation& representation) {
  if (!request.header("If-Range")) return true;
  const auto validator = single(request, "If-Range").value_or("");
  if (validator.starts_with("W/") || validator.starts_with('"')) return validator == representation.etag;
  return http::parse_http_date(validator) == representation.modified &&
         representation.modified < std::time(nullptr);
}

/// A part of the file in bytes (RFC 9110, 14.1.2).
struct Range {
  std::uint64_t first;
  std::uint64_t length;  ///< 0: unsatisfiable
};

/// "500" of "bytes=-500": the last 500 bytes.
std::optional<Range> suffix_range(std::string_view digits, std::uint64_t size) {
  const auto suffix = parse_digits(digits);
  if (!suffix) return std::nullopt;
  const std::uint64_t length = std::min(*suffix, size);
  return Range{size - length, length};
}

/// @return nothing when the field is to be ignored: another unit, malformed, or several ranges (RFC
/// 9110, 14.2)
std::optional<Range> parse_range(std::string_view field, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!http::equals_ignoring_case(field.substr(0, kUnit.size()), kUnit)) return std::nullopt;
  const std::string_view spec = http::trim(field.substr(kUnit.size()));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view after = spec.substr(dash + 1);
  if (dash == 0) return suffix_range(after, size);
  const auto first = parse_digits(spec.substr(0, dash));
  const auto last = after.empty() ? std::numeric_limits<std::uint64_t>::max() : parse_digits(after);
  if (!first || !last || *last < *first) return std::nullopt;
  if (*first >= size) return Range{0, 0};
  return Range{*first, std::min(*last, size - 1) - *first + 1};
}

/// @return nothing when the whole file is asked for. Of an empty file there are no parts.
std::optional<Range> requested_range(const Request& request, const Representation& representation) {
  const auto field = single(request, "Range");
  if (request.method != Method::get || !field || representation.size == 0) return std::nullopt;
  if (!range_applies(request, representation)) return std::nullopt;
  return parse_range(*field, representation.size);
}

Response unsatisfiable(std::uint64_t size) {
  Response response = http::text_response(416, fmt::format("the file has {} bytes", size));
  response.fields.emplace_back("Content-Range", fmt::format("bytes */{}", size));
  return response;
}

FileResponse whole(net::Fd file, const Representation& representation) {
  return {response_with(200, representation), http::FileRange(file.release(), 0, representation.size)};
}

FileResponse part(net::Fd file, const Representation& representation, const Range& range) {
  Response response = response_with(206, representation);
  response.fields.emplace_back(
      "Content-Range",
      fmt::format("bytes {}-{}/{}", range.first, range.first + range.length - 1, representation.size));
  return {std::move(response), http::FileRange(file.release(), range.first, range.length)};
}

/// In the order of RFC 9110, 13.2.2.
Outcome answer(const Request& request, net::Fd file, const Representation& representation) {
  if (precondition_failed(request, representation)) {
    return http::text_response(412, "the file is not the one that the request is for");
  }
  if (not_modified(request, representation)) return response_with(304, representation);
  const auto range = requested_range(request, representation);
  if (!range) return whole(std::move(file), representation);
  if (range->length == 0) return unsatisfiable(representation.size);
  return part(std::move(file), representation, *range);
}

Outcome serve_file(int root, const Request& request) {
  const std::string name(request.path.substr(kPrefix.size()));
  if (name.find('\0') != std::string::npos)
    return cannot_open(ENOENT);  // %00 would end the name for the kernel
  net::Fd file = open_beneath(root, name);
  if (!file) return cannot_open(errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return cannot_open(errno);
  if (!S_ISREG(status.st_mode)) return cannot_open(ENOENT);
  return answer(request, std::move(file), describe(status, name));
}

}  // namespace

void add_file_route(http::Router& router, const std::filesystem::path& root) {
  // shared: a std::function must be copyable
  const auto directory = std::make_shared<const net::Fd>(open_root(root));
  router.add({{Method::get},
              std::string(kPrefix),
              "Files below --root",
              false,
              [directory](const Request& request, const http::Slot&) -> Outcome {
                return serve_file(directory->get(), request);
              }});
}

}  // namespace quartet::app
