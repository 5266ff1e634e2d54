#pragma once

#include <gtest/gtest.h>

#include <string>

#include "engine/core/check.h"

namespace switchyard::test {

/// The message of the E that `call` throws. A test failure, and "", where it throws nothing or
/// another type, or where the message is not one non-empty line.
template <class E = Error, class Call>
std::string error_text(Call&& call) {
  try {
    call();
  } catch (const E& error) {
    const std::string text = error.what();
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    return text;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw another type: " << error.what();
    return "";
  }
  ADD_FAILURE() << "threw nothing";
  return "";
}

/// Expects `call` to throw an E whose message contains `part`.
template <class E = Error, class Call>
void expect_error(Call&& call, const std::string& part) {
  const std::string text = error_text<E>(call);
  EXPECT_NE(text.find(part), std::string::npos)
      << "expected the message to contain: " << part << "\nit is: " << text;
}

}  // namespace switchyard::test
