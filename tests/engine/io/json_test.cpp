#include <gtest/gtest.h>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "tests/support/expect_error.h"
#include "tests/support/scratch_directory.h"

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
  const std::string deep = std::string(60, '[') + std::string(60, ']');
  EXPECT_NO_THROW(parse_json(deep, "x"));
  const std::string deeper = std::string(100000, '[') + std::string(100000, ']');
  expect_error([&] { parse_json(deeper, "x"); }, "deeper than 64");
}

TEST(ReadJson, WritesAndReadsBack) {
  const test::ScratchDirectory scratch;
  const json value = {{"name", "dense"}, {"rates", {0.1, 1e-300, 3}}, {"none", nullptr}};
  write_json_atomic(scratch / "a.json", value);
  EXPECT_EQ(read_json(scratch / "a.json"), value);
  expect_error([&] { read_json(scratch / "b.json"); },
               "b.json: cannot open: No such file or directory");
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
}

}  // namespace
}  // namespace switchyard
