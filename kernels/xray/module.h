#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::kernels::xray {

// A parsed PTX file: functions as lists of statements whose names are resolved, variables, lines.
// Opcodes are text still; decode.h makes a program of a kernel.

/// The state spaces of PTX.
enum class Space : std::uint8_t { kGeneric, kGlobal, kShared, kLocal, kConst, kParam };

/// A fundamental type: a letter and a width. `b` is a plain bit pattern, `p` a predicate.
struct Type {
  char kind = 'b';  ///< 'b', 'u', 's', 'f', 'p'; 'h' is bf16, 't' tf32, 'e' any 8-bit float
  std::uint8_t bits = 32;

  std::size_t bytes() const { return kind == 'p' ? 1 : bits / 8U; }
  bool operator==(const Type&) const = default;
};
/// Reads ".u32", "u32", ".f16x2"; a packed type has the width of its register. False for what is
/// no type.
bool parse_type(std::string_view text, Type& type);

struct Variable {
  std::string name;
  Space space = Space::kGlobal;
  Type type;
  std::uint32_t align = 1;
  std::uint64_t bytes = 0;   ///< 0 for an array of open size
  bool is_external = false;  ///< dynamic shared memory, or a name that another file defines
  std::string initial;       ///< its first bytes; the others are zero
  std::uint64_t offset = 0;  ///< within the space of the function, where it has one
  struct Address {
    std::uint64_t at;      ///< where in `initial`
    std::string variable;  ///< whose address is to be put there
    std::int64_t addend;
  };
  std::vector<Address> addresses;
};

struct Operand {
  enum class Kind : std::uint8_t {
    kRegister,  ///< `index` into the function's registers; `value` is an addend
    kSpecial,   ///< `text`, such as %tid.x
    kNumber,  ///< `value`: an integer's bits, or a double's if `is_double`, a float's if `is_float`
    kVariable,  ///< `index` into the function's scope of variables; `value` is an addend
    kName,      ///< `text`: a label or a function, `index` is a label's statement once resolved
    kNothing,   ///< _
    kVector,    ///< `list`
    kAddress,   ///< list[0] in brackets
    kPair       ///< list[0] | list[1]
  };
  Kind kind = Kind::kNothing;
  bool negated = false;  ///< of a predicate
  bool is_float = false;
  bool is_double = false;
  std::uint32_t index = 0;
  std::int64_t value = 0;
  std::string_view text;
  std::vector<Operand> list;
};

struct Statement {
  std::string_view opcode;  ///< with its modifiers
  std::int32_t guard = -1;  ///< a predicate register
  bool guard_negated = false;
  std::uint32_t line = 0;    ///< of the PTX file
  std::uint32_t source = 0;  ///< into Module::sources
  std::vector<Operand> operands;
};

/// A place in a source file, from `.loc`.
struct Source {
  std::uint32_t file = 0;  ///< 0: unknown
  std::uint32_t line = 0;
  std::uint32_t outer = 0;  ///< index of the place that this one was inlined into; 0: none
};

struct Function {
  std::string name;
  bool is_kernel = false;
  bool has_body = false;
  std::uint32_t line = 0;
  std::vector<Type> registers;
  std::vector<Variable> variables;  ///< shared, local and param ones; results and parameters first
  std::vector<std::uint32_t>
      results;  ///< into `variables`, or into `registers` where those hold it
  std::vector<std::uint32_t> parameters;
  bool has_register_parameters = false;  ///< .reg in the list, as in old or hand-written PTX
  std::uint64_t most_threads = 0;        ///< of a block, by .maxntid or .reqntid; 0: any number
  bool needs_most_threads = false;       ///< .reqntid: exactly so many
  std::uint64_t parameter_bytes = 0;     ///< of a kernel's parameter buffer
  std::vector<Statement> statements;
  std::map<std::string, std::vector<std::uint32_t>, std::less<>> branch_targets;
};

/// Holds a PTX file. Statements point into its text, so a module does not move.
class Module {
 public:
  /// Parses `text`; `file` names it in messages. Errors: Error "file:line: what" for what is no
  /// PTX. Opcodes are not looked at before a kernel is decoded.
  static std::shared_ptr<const Module> parse(std::string text, std::string file);

  const std::string& file() const { return file_; }
  /// The kernels' names in the order of the file.
  std::vector<std::string> kernels() const;
  /// Null where there is none of that name.
  const Function* function(std::string_view name) const;
  /// Variables of the whole file: global, const, and shared.
  const std::vector<Variable>& variables() const { return variables_; }
  /// Index in variables(), or -1.
  std::int64_t variable(std::string_view name) const;
  const std::vector<Source>& sources() const { return sources_; }
  /// The place that a reader wants to see: the innermost one that does not lie in a header of the
  /// CUDA toolkit, such as that of atomicAdd().
  const Source& shown(std::uint32_t source) const;
  /// The path of a source file as the compiler wrote it; "" where it is unknown.
  const std::string& source_file(std::uint32_t number) const;
  /// Says where a statement comes from: "softmax.cu:31 (softmax.ptx:55)", or the PTX line alone.
  std::string place(std::uint32_t source, std::uint32_t line) const;
  const std::string& text() const { return text_; }

 private:
  friend class Parser;
  Module() = default;

  std::string text_;
  std::string file_;
  std::vector<std::unique_ptr<Function>> functions_;
  std::map<std::string, std::size_t, std::less<>> function_names_;
  std::vector<Variable> variables_;
  std::map<std::string, std::size_t, std::less<>> variable_names_;
  std::vector<Source> sources_{{}};
  std::map<std::uint32_t, std::string> files_;
};

/// Variables of the whole file have indices from here on in an operand.
inline constexpr std::uint32_t kModuleVariable = 1U << 31;

/// A variable's name in its source: "tile" for what compilers call "_ZZ9transposeE4tile".
std::string source_name(const std::string& name);

}  // namespace switchyard::kernels::xray
