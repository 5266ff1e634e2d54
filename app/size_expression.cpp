#include "app/size_expression.h"

#include <charconv>

namespace switchyard {
namespace {

/// Reads by recursive descent. Once something is wrong, `ok_` is false and the value means nothing.
class Expression {
 public:
  Expression(std::string_view text, const SizeNames& names) : rest_(text), names_(names) {}

  std::optional<std::uint64_t> value() {
    const std::uint64_t result = sum();
    skip_blanks();
    if (!ok_ || !rest_.empty()) return std::nullopt;
    return result;
  }

 private:
  static constexpr int kMostNesting = 64;

  void skip_blanks() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }
  bool take(char wanted) {
    skip_blanks();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::uint64_t sum() {
    std::uint64_t left = product();
    while (ok_) {
      if (take('+')) {
        ok_ &= !__builtin_add_overflow(left, product(), &left);
      } else if (take('-')) {
        ok_ &= !__builtin_sub_overflow(left, product(), &left);
      } else {
        break;
      }
    }
    return left;
  }

  std::uint64_t product() {
    std::uint64_t left = factor();
    while (ok_) {
      if (take('*')) {
        ok_ &= !__builtin_mul_overflow(left, factor(), &left);
      } else if (take('/')) {
        const std::uint64_t right = factor();
        ok_ &= right != 0;
        left = ok_ ? left / right : 0;
      } else {
        break;
      }
    }
    return left;
  }

  std::uint64_t factor() {
    if (take('(')) {
      ok_ &= ++nesting_ <= kMostNesting;
      const std::uint64_t inner = ok_ ? sum() : 0;
      ok_ &= take(')');
      --nesting_;
      return inner;
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error == std::errc()) {
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      return number;
    }
    return named();
  }

  std::uint64_t named() {
    const std::size_t end =
        rest_.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    const auto found = names_.find(rest_.substr(0, end));
    ok_ &= found != names_.end();
    if (!ok_) return 0;
    rest_.remove_prefix(found->first.size());
    return found->second;
  }

  std::string_view rest_;
  const SizeNames& names_;
  bool ok_ = true;
  int nesting_ = 0;
};

}  // namespace

std::optional<std::uint64_t> size_value(std::string_view text, const SizeNames& names) {
  return Expression(text, names).value();
}

}  // namespace switchyard
