#include <gtest/gtest.h>

#include <chrono>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

using nlohmann::json;
using test::error_text;
using test::expect_error;

JsonObject object(const char* text) { return {json::parse(text), "config.json"}; }

TEST(ParseJson, SaysWhereTheTextIsBroken) {
  const std::string text =
      error_text([] { parse_json("{\n \"a\": 1,\n \"b\" 2}", "config.json"); });
  EXPECT_EQ(text.find("config.json: line 3, column 6: "), 0U) << text;
  error_text([] { parse_json("", "config.json"); });
  error_text([] { parse_json("{\"a\": 1", "config.json"); });
  error_text([] { parse_json("{\"a\": 1e999}", "config.json"); });
  error_text([] { parse_json("{\"a\": \"\xff\"}", "config.json"); });
  error_text([] { parse_json("{} {}", "config.json"); });
}

TEST(ParseJson, RefusesRepeatedNamesInOneObjectOnly) {
  expect_error([] { parse_json(R"({"a": {"b": 1}, "c": 2, "a": 3})", "config.json"); },
               "config.json: the name 'a' occurs twice");
  EXPECT_EQ(parse_json(R"([{"a": 1}, {"a": {"a": 2}}])", "x")[1]["a"]["a"], 2);
}

TEST(ParseJson, RefusesDeepNesting) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_NO_THROW(parse_json(nested(64), "x"));
  for (const std::size_t depth : {65, 66, 100000}) {
    expect_error([&] { parse_json(nested(depth), "x"); }, "deeper than 64");
  }
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += "{\"a\":";
  expect_error([&] { parse_json(objects + "1" + std::string(65, '}'), "x"); }, "deeper than 64");
}

TEST(ParseJson, ANulByteDoesNotEndADocument) {
  using namespace std::string_literals;
  expect_error([] { parse_json("{\"a\": 1}\0{"s, "x"); }, "x: line 1, column 9: a NUL byte");
  expect_error([] { parse_json("{}\0"s, "x"); }, "a NUL byte");
  expect_error([] { parse_json("{\"a\0b\": 1}"s, "x"); }, "a NUL byte");
}

// 80,000 members took 35 s when each object's end searched the members before it.
TEST(ParseJson, TakesTimeInProportionToTheMembers) {
  std::string text = "{";
  for (int i = 0; i < 80'000; ++i) text += fmt::format("{}\"{}\":{{}}", i > 0 ? "," : "", i);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_json(text + "}", "x").size(), 80'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(ParseJson, RefusesMoreThanTheLimits) {
  std::string many = "[";
  for (std::int64_t i = 0; i < kMaxJsonValues; ++i) many += "1,";
  expect_error([&] { parse_json(many + "1]", "x"); }, "x: more than 1000000 values");
  const std::string blanks(kMaxJsonBytes + 1, ' ');
  expect_error([&] { parse_json(blanks, "x"); }, "64000001 bytes of JSON, the limit is 64000000");
  const TemporaryDirectory scratch;
  write_file_atomic(scratch / "a.json", blanks);
  expect_error([&] { read_json(scratch / "a.json"); }, "longer than 64000000 bytes");
}

TEST(ParseJson, ANumberBeyondDoubleHasItsPlace) {
  expect_error([] { parse_json("{\"a\":\n 1e999}", "x"); }, "x: line 2, column 6: number overflow");
}

TEST(ReadJson, WritesAndReadsBack) {
  const TemporaryDirectory scratch;
  const json value = {{"name", "dense"}, {"rates", {0.1, 1e-300, 3}}, {"none", nullptr}};
  write_json_atomic(scratch / "a.json", value);
  EXPECT_EQ(read_json(scratch / "a.json"), value);
  expect_error([&] { read_json(scratch / "b.json"); },
               "b.json: cannot open: No such file or directory");
}

TEST(JsonText, WritesBytesThatAreNoUtf8) {
  const json value = {{"class", "caf\xe9"}, {"\xff", 1}};
  EXPECT_EQ(json_text(value), "{\"class\":\"caf\xef\xbf\xbd\",\"\xef\xbf\xbd\":1}");
  const TemporaryDirectory scratch;
  write_json_atomic(scratch / "a.json", value);
  EXPECT_EQ(read_json(scratch / "a.json")["class"], "caf\xef\xbf\xbd");
}

TEST(JsonObject, ChecksAnIntegersRangeBeforeItsType) {
  JsonObject config = object(R"({"t": 4294967297, "n": -1, "big": 18446744073709551615, "x": 2})");
  EXPECT_EQ(config.bounded<int>("x", 0, 4096), 2);
  EXPECT_EQ(config.bounded_or<int>("missing", 7, 0, 4096), 7);
  EXPECT_EQ(error_text<UsageError>([&] { config.bounded_or<int>("t", 0, 0, 4096); }),
            "config.json: t: must be at most 4096, got 4294967297");
  EXPECT_EQ(error_text<UsageError>([&] { config.bounded<int>("n", 0, 4096); }),
            "config.json: n: must be at least 0, got -1");
  expect_error<UsageError>([&] { config.bounded<int>("big", 0, 4096); }, "18446744073709551615");
}

TEST(JsonObject, ReadsEveryType) {
  JsonObject config = object(R"({"b": true, "i": -3, "u": 18446744073709551615, "n": 7, "d": 2,
      "f": 0.5, "s": "text", "v": [1, 2.5], "w": [["a"], []], "j": [null], "o": {"i": 9}})");
  EXPECT_EQ(config.required<bool>("b"), true);
  EXPECT_EQ(config.required<std::int64_t>("i"), -3);
  EXPECT_EQ(config.required<std::uint64_t>("u"), 18446744073709551615U);
  EXPECT_EQ(config.required<int>("n"), 7);
  EXPECT_EQ(config.required<double>("d"), 2.0);
  EXPECT_EQ(config.required<float>("f"), 0.5F);
  EXPECT_EQ(config.required<std::string>("s"), "text");
  EXPECT_EQ(config.required<std::vector<double>>("v"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(config.required<std::vector<std::vector<std::string>>>("w"),
            (std::vector<std::vector<std::string>>{{"a"}, {}}));
  EXPECT_EQ(config.required<json>("j"), json::array({nullptr}));
  EXPECT_EQ(config.optional<int>("missing", 5), 5);
  EXPECT_EQ(config.optional<int>("n", 5), 7);
  EXPECT_EQ(config.optional_object("nothing").optional<int>("x", 1), 1);
  JsonObject inner = config.object("o");
  EXPECT_EQ(inner.required<int>("i"), 9);
  inner.finish();
  config.finish();
}

template <class T>
std::string type_error(const char* text) {
  return error_text<UsageError>([&] { object(text).required<T>("f"); });
}

TEST(JsonObject, WrongTypesSayFieldExpectedAndGot) {
  EXPECT_EQ(type_error<int>(R"({"f": "two"})"),
            "config.json: f: expected an integer, got a string");
  EXPECT_EQ(type_error<int>(R"({"f": 2.0})"),
            "config.json: f: expected an integer, got the number 2.0");
  EXPECT_NE(type_error<int>(R"({"f": 3000000000})").find("at most 32 bits"), std::string::npos);
  EXPECT_EQ(type_error<std::int64_t>(R"({"f": 9223372036854775808})"),
            "config.json: f: expected an integer, got the integer 9223372036854775808");
  EXPECT_EQ(type_error<std::uint64_t>(R"({"f": -1})"),
            "config.json: f: expected an integer of at least 0, got the integer -1");
  EXPECT_EQ(type_error<double>(R"({"f": null})"), "config.json: f: expected a number, got null");
  EXPECT_NE(type_error<float>(R"({"f": 1e39})").find("float32"), std::string::npos);
  EXPECT_EQ(type_error<bool>(R"({"f": 1})"),
            "config.json: f: expected true or false, got the integer 1");
  EXPECT_EQ(type_error<std::string>(R"({"f": {}})"),
            "config.json: f: expected a string, got an object");
  EXPECT_EQ(type_error<std::vector<double>>(R"({"f": [1, [2]]})"),
            "config.json: f[1]: expected a number, got an array");
  EXPECT_EQ(error_text<UsageError>([] { object("[1]"); }),
            "config.json: expected an object, got an array");
}

TEST(JsonObject, NamesMissingAndUnknownFieldsWithTheirPath) {
  JsonObject config = object(R"({"model": {"head": {"widht": 3, "x": 1}}})");
  JsonObject model = config.object("model");
  JsonObject head = model.object("head");
  EXPECT_EQ(error_text<UsageError>([&] { head.required<int>("width"); }),
            "config.json: the field model.head.width is missing");
  head.optional<std::string>("name", "dense");
  EXPECT_EQ(error_text<UsageError>([&] { head.finish(); }),
            "config.json: unknown fields model.head.widht, model.head.x (there are: width, name)");
  EXPECT_EQ(error_text<UsageError>([&] { head.fail("width", "must be at least 1, got 0"); }),
            "config.json: model.head.width: must be at least 1, got 0");
  EXPECT_NO_THROW(model.finish());
}

TEST(JsonObject, MessagesStayOneLineWhateverTheNames) {
  JsonObject config = object(R"({"a\nb": 1})");
  expect_error<UsageError>([&] { config.finish(); }, "a\\nb");
  JsonObject coloured = object(R"({"\u001b[31m": 1})");
  expect_error<UsageError>([&] { coloured.finish(); }, "\\x1b[31m");
}

TEST(JsonObject, NamesTenUnknownFieldsAndCountsTheRest) {
  json many = json::object();
  for (int i = 0; i < 1000; ++i) many[fmt::format("f{:03}", i)] = i;
  const std::string text = error_text<UsageError>([&] { JsonObject(many, "x").finish(); });
  EXPECT_NE(text.find("f009, and 990 more"), std::string::npos) << text;
}

}  // namespace
}  // namespace switchyard
