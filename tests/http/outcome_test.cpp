// What becomes of a handler's outcome on the wire.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::FileRange;
using http::FileResponse;
using http::Method;
using http::Outcome;
using http::Request;
using http::Response;
using http::Slot;
using http::Stream;
using http::Want;

/// The answer to GET / of a router with only that handler.
std::string answer_of(http::Handler handler, std::string_view target = "/") {
  const auto router = router_with(std::move(handler));
  Client client({.router = router});
  return client.exchange(get(target));
}

using Parts = std::vector<std::string>;

http::Handler stream_of(Parts parts) {
  return [parts = std::move(parts)](const Request&, const Slot&) -> Outcome {
    const auto next = [parts, at = std::size_t{0}](std::string& output) mutable {
      if (at == parts.size()) return false;
      output += parts[at++];
      return true;
    };
    return Stream{.response = {.body = "", .fields = {}}, .next = next};
  };
}

FileRange digits(std::uint64_t offset, std::uint64_t length) {
  const int descriptor = memfd_create("digits", MFD_CLOEXEC);
  EXPECT_EQ(::write(descriptor, "0123456789", 10), 10);
  return {descriptor, offset, length};
}

http::Handler file_of(std::uint64_t offset, std::uint64_t length) {
  return [=](const Request&, const Slot&) -> Outcome {
    return FileResponse{{.body = "ignored", .fields = {}}, digits(offset, length)};
  };
}

TEST(Head, HasTheSameFieldsAsGet) {
  for (const auto target :
       {"/plaintext", "/json", "/sleep", "/stream", "/file/ten", "/unchanged", "/nowhere", "/throw"}) {
    Client client;
    const auto with_body = only_answer(client.exchange(get(target)));
    const auto without = only_answer(client.exchange(request("HEAD", target)), Body::none);
    const auto not_date = [](auto answer) {
      std::erase_if(answer.fields, [](const auto& field) { return field.first == "Date"; });
      return std::pair(answer.status, answer.fields);
    };
    EXPECT_EQ(not_date(with_body), not_date(without)) << target;
  }
}

TEST(Response, HasTheFieldsOfTheHandler) {
  const auto bytes = answer_of([](const Request&, const Slot&) -> Outcome {
    return Response{
        .status = 201, .content_type = "text/x", .body = "b", .fields = {{"Location", "/b"}, {"X-A", ""}}};
  });
  const auto answer = only_answer(bytes);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.field("Content-Type"), "text/x");
  EXPECT_EQ(answer.field("Location"), "/b");
  EXPECT_EQ(answer.field("X-A"), "");
}

TEST(Response, MayBeLarge) {
  const auto bytes = answer_of([](const Request&, const Slot&) -> Outcome {
    return Response{.body = std::string(10'000'000, 'x'), .fields = {}};
  });
  EXPECT_EQ(only_answer(bytes).body, std::string(10'000'000, 'x'));
}

TEST(Response, MayBeEmpty) {
  const auto bytes =
      answer_of([](const Request&, const Slot&) -> Outcome { return Response{.body = "", .fields = {}}; });
  EXPECT_EQ(only_answer(bytes).field("Content-Length"), "0");
}

TEST(Handler, IsGivenTheWholeRequest) {
  std::string seen;
  const auto router = router_with(
      [&seen](const Request& request, const Slot&) -> Outcome {
        seen = std::string(to_string(request.method)) + " " + std::string(request.target) + " " +
               std::string(request.path) + " " + std::string(request.query) + " " +
               std::to_string(request.minor_version) + " " +
               std::string(request.header("x-a").value_or("none")) + " " + std::string(request.body);
        return Response{.fields = {}};
      },
      {Method::post});
  Client client({.router = router});
  client.exchange("POST http://a/?q=%41 HTTP/1.0\r\nX-A:  1 \r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(seen, "POST http://a/?q=%41 / q=%41 0 1 hi");
}

TEST(Handler, IsGivenTheSlotOfItsWorker) {
  const Slot* seen = nullptr;
  const auto router = router_with([&seen](const Request&, const Slot& slot) -> Outcome {
    seen = &slot;
    return Response{.fields = {}};
  });
  Client client({.router = router});
  client.exchange(get("/"));
  EXPECT_EQ(seen, &client.slot);
}

TEST(Handler, ThatThrowsIsA500AndTheConnectionIsKept) {
  Client client;
  for (const auto target : {"/throw", "/throw-number"}) {
    EXPECT_EQ(only_answer(client.exchange(get(target))).status, 500);
    EXPECT_TRUE(client.open());
  }
  EXPECT_EQ(only_answer(client.exchange(get())).status, 200);
}

TEST(Stream, IsSentInChunks) {
  const auto bytes = answer_of(stream_of({"hello", std::string(300, 'x')}));
  EXPECT_TRUE(bytes.ends_with("\r\n\r\n5\r\nhello\r\n12c\r\n" + std::string(300, 'x') + "\r\n0\r\n\r\n") ||
              bytes.ends_with("\r\n\r\n5\r\nhello\r\n12C\r\n" + std::string(300, 'x') + "\r\n0\r\n\r\n"))
      << bytes;
}

TEST(Stream, MayEndBeforeItsFirstPart) {
  const auto bytes = answer_of(stream_of({}));
  EXPECT_EQ(only_answer(bytes).body, "");
  EXPECT_TRUE(bytes.ends_with("\r\n\r\n0\r\n\r\n")) << bytes;
}

TEST(Stream, DoesNotEndWithAnEmptyPart) {
  EXPECT_EQ(only_answer(answer_of(stream_of({"", "a", "", "b", ""}))).body, "ab");
}

TEST(Stream, RunsOncePerPart) {
  const auto router = router_with(stream_of({"a", "b"}));
  Client client({.router = router});
  client.send(get("/"));
  int runs = 0;
  for (; client.want() != Want::read; client.want() == Want::run ? client.run() : client.write()) {
    runs += client.want() == Want::run ? 1 : 0;
  }
  EXPECT_GE(runs, 2);
  EXPECT_EQ(only_answer(client.received).body, "ab");
}

TEST(Stream, EndsWithTheConnectionForHttp10) {
  const auto router = router_with(stream_of({"a", "b"}));
  Client client({.router = router});
  const auto answer = only_answer(client.exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_EQ(answer.field("Transfer-Encoding"), std::nullopt);
  EXPECT_EQ(answer.body, "ab");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Stream, ThatThrowsOnItsWayIsCutShort) {
  const auto router = router_with([](const Request&, const Slot&) -> Outcome {
    const auto next = [first = true](std::string& output) mutable {
      if (!std::exchange(first, false)) throw std::runtime_error("a bug");
      output += "part";
      return true;
    };
    return Stream{.response = {.fields = {}}, .next = next};
  });
  Client client({.router = router});
  EXPECT_THROW(only_answer(client.exchange(get("/"))), Incomplete);
  EXPECT_EQ(client.want(), Want::close);
}

TEST(Stream, IsForgottenWhenItsClientDoesNotRead) {
  const auto held = std::make_shared<int>(0);
  const auto router = router_with([&held](const Request&, const Slot&) -> Outcome {
    return Stream{.response = {.fields = {}},
                  .next = [held](std::string& output) { return !(output += "x").empty(); }};
  });
  {
    Client client({.router = router});
    client.send(get("/"));
    client.run();
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(File, IsWrittenBehindItsHead) {
  const auto answer = only_answer(answer_of(file_of(0, 10)));
  EXPECT_EQ(answer.field("Content-Length"), "10");
  EXPECT_EQ(answer.body, "0123456789");
}

TEST(File, MayBeSentInPart) {
  const auto answer = only_answer(answer_of(file_of(3, 4)));
  EXPECT_EQ(answer.field("Content-Length"), "4");
  EXPECT_EQ(answer.body, "3456");
}

TEST(File, MayBeEmpty) {
  const auto answer = only_answer(answer_of(file_of(0, 0)));
  EXPECT_EQ(answer.field("Content-Length"), "0");
}

TEST(Worker, IsNamedOnlyToWhoAsks) {
  Client client;
  client.slot.process = 1234;
  client.slot.worker = 5;
  const auto worker = [&](std::string_view target, std::string_view fields) {
    client.send(get(target, fields));
    client.play();
    return only_answer(client.take_received()).field("Quartet-Worker");
  };
  for (const auto* target : {"/plaintext", "/sleep", "/stream", "/file/ten", "/nowhere"}) {
    EXPECT_EQ(worker(target, "quartet-worker:?\r\n"), "1234/5") << target;
    EXPECT_EQ(worker(target, ""), std::nullopt) << target;
    EXPECT_EQ(worker(target, "Quartet-Worker: 1\r\n"), std::nullopt) << target;
  }
}

TEST(Worker, IsNotAskedForByTheNextRequestOfThePipeline) {
  Client client;
  const auto bytes = client.exchange(get("/plaintext", "Quartet-Worker: ?\r\n") + get());
  std::string_view rest = bytes;
  EXPECT_EQ(take_answer(rest).field("Quartet-Worker"), "0/0");
  EXPECT_EQ(only_answer(rest).field("Quartet-Worker"), std::nullopt);
}

TEST(File, CountsWhatIsWrittenAcrossHeadAndFile) {
  const auto router = router_with(file_of(0, 10));
  Client client({.router = router});
  client.send(get("/"));
  client.run();
  const auto head = client.connection.output().bytes.size();
  client.write(head + 4);
  EXPECT_EQ(client.connection.output().bytes, "");
  ASSERT_NE(client.connection.output().file, nullptr);
  EXPECT_EQ(client.connection.output().file->offset(), 4U);
  EXPECT_EQ(client.connection.output().file->length(), 6U);
  client.write(6);
  EXPECT_EQ(client.want(), Want::read);
}

TEST(File, IsOfferedWithItsHeadInOneOutput) {
  const auto router = router_with(file_of(0, 10));
  Client client({.router = router});
  client.send(get("/"));
  client.run();
  EXPECT_NE(client.connection.output().bytes, "");
  EXPECT_NE(client.connection.output().file, nullptr);
}

TEST(File, IsNotSentForHead) {
  const auto router = router_with(file_of(0, 10));
  Client client({.router = router});
  client.send(request("HEAD", "/"));
  client.run();
  EXPECT_EQ(client.connection.output().file, nullptr);
  client.settle();
  EXPECT_EQ(only_answer(client.received, Body::none).field("Content-Length"), "10");
}

TEST(File, LeavesBeforeTheNextAnswer) {
  const auto router = router_with(file_of(0, 10));
  Client client({.router = router});
  std::string_view rest;
  const auto bytes = client.exchange(get("/") + get("/"));
  rest = bytes;
  EXPECT_EQ(take_answer(rest).body, "0123456789");
  EXPECT_EQ(only_answer(rest).body, "0123456789");
}

TEST(File, IsClosedWhenItHasLeft) {
  int descriptor = -1;
  const auto router = router_with([&descriptor](const Request&, const Slot&) -> Outcome {
    auto file = digits(0, 10);
    descriptor = file.descriptor();
    return FileResponse{{.fields = {}}, std::move(file)};
  });
  Client client({.router = router});
  client.exchange(get("/"));
  EXPECT_EQ(::lseek(descriptor, 0, SEEK_CUR), -1);
}

}  // namespace
}  // namespace quartet::test
