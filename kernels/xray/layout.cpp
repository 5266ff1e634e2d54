#include "kernels/xray/layout.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace switchyard::kernels::xray {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
/// Loops that are nested deeper keep the compiler's order; no kernel has so many.
constexpr int kMaxNesting = 64;

/// Instructions that run one after the other: [first, last).
struct Block {
  std::uint32_t first;
  std::uint32_t last;
};

bool always_leaves(const Instruction& in) {
  return (in.flow == Flow::kBranch || in.flow == Flow::kExit) ? in.guard == kNoSlot
                                                              : in.flow == Flow::kTable;
}

class Layout {
 public:
  explicit Layout(Program& program) : program_(program) {}

  void run() {
    find_blocks();
    order();
    emit();
  }

 private:
  void find_blocks();
  void order();
  void emit();
  template <class Visit>
  void for_each_edge(std::uint32_t block, const Visit& visit);
  std::vector<std::vector<std::uint32_t>> components(const std::vector<std::uint32_t>& nodes,
                                                     std::uint32_t group);
  std::uint32_t add_join(const std::vector<std::uint32_t>& loop, std::uint32_t head);

  Program& program_;
  std::vector<Block> blocks_;
  std::vector<std::uint32_t> block_at_;  ///< of each first instruction; kNone for the others
  std::vector<std::uint32_t> group_;     ///< which part of the graph a block belongs to by now
  std::vector<std::uint32_t> sequence_;  ///< blocks in their new order

  // components() uses these, by block. They are kept because it is called once for each loop.
  std::vector<std::uint32_t> number_;
  std::vector<std::uint32_t> lowest_;
  std::vector<bool> is_open_;
};

void Layout::find_blocks() {
  const std::vector<Instruction>& code = program_.code;
  std::vector<bool> begins(code.size() + 1, false);
  begins[0] = true;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i].flow == Flow::kBranch) begins[code[i].target] = true;
    if (code[i].flow == Flow::kBranch || code[i].flow == Flow::kExit ||
        code[i].flow == Flow::kTable) {
      begins[i + 1] = true;
    }
  }
  for (const std::uint32_t target : program_.targets) begins[target] = true;
  block_at_.assign(code.size(), kNone);
  for (std::uint32_t i = 0; i < code.size(); ++i) {
    if (begins[i]) {
      block_at_[i] = static_cast<std::uint32_t>(blocks_.size());
      blocks_.push_back({i, i + 1});
    } else {
      ++blocks_.back().last;
    }
  }
}

/// Calls visit(place) for every field that names the first instruction of a block that may follow.
template <class Visit>
void Layout::for_each_edge(std::uint32_t block, const Visit& visit) {
  Instruction& last = program_.code[blocks_[block].last - 1];
  if (last.flow == Flow::kBranch) visit(last.target);
  if (last.flow == Flow::kTable) {
    for (std::uint32_t i = 0; i < last.target; ++i) visit(program_.targets[last.extra + i]);
  }
  if (!always_leaves(last)) visit(last.next);
}

/// The strongly connected components among `nodes`, in topological order: Tarjan's algorithm, which
/// finds them the other way round, with a stack of its own.
std::vector<std::vector<std::uint32_t>> Layout::components(const std::vector<std::uint32_t>& nodes,
                                                           std::uint32_t group) {
  struct Visit {
    std::uint32_t block;
    std::vector<std::uint32_t> successors;
    std::size_t at = 0;
  };
  std::vector<std::vector<std::uint32_t>> found;
  std::vector<std::uint32_t> open;
  std::vector<Visit> path;
  std::uint32_t count = 0;
  for (const std::uint32_t node : nodes) number_[node] = 0;
  const auto enter = [&](std::uint32_t block) {
    number_[block] = lowest_[block] = ++count;
    is_open_[block] = true;
    open.push_back(block);
    path.push_back({block, {}});
    for_each_edge(block, [&](std::uint32_t& to) {
      if (group_[block_at_[to]] == group) path.back().successors.push_back(block_at_[to]);
    });
  };
  for (const std::uint32_t root : nodes) {
    if (number_[root] == 0) enter(root);
    while (!path.empty()) {
      Visit& visit = path.back();
      const std::uint32_t block = visit.block;
      if (visit.at < visit.successors.size()) {
        const std::uint32_t to = visit.successors[visit.at++];
        if (number_[to] == 0) {
          enter(to);
        } else if (is_open_[to]) {
          lowest_[block] = std::min(lowest_[block], number_[to]);
        }
        continue;
      }
      if (lowest_[block] == number_[block]) {
        found.emplace_back();
        do {
          found.back().push_back(open.back());
          is_open_[open.back()] = false;
          open.pop_back();
        } while (found.back().back() != block);
        std::sort(found.back().begin(), found.back().end());
      }
      path.pop_back();
      if (!path.empty()) {
        std::uint32_t& above = lowest_[path.back().block];
        above = std::min(above, lowest_[block]);
      }
    }
  }
  std::reverse(found.begin(), found.end());
  return found;
}

/// Adds the block in which all ways back from `loop` to `head` meet, if there are several. Returns
/// it, or kNone.
std::uint32_t Layout::add_join(const std::vector<std::uint32_t>& loop, std::uint32_t head) {
  const std::uint32_t to = blocks_[head].first;
  int ways = 0;
  for (const std::uint32_t block : loop) {
    for_each_edge(block, [&](std::uint32_t& edge) { ways += edge == to ? 1 : 0; });
  }
  if (ways < 2) return kNone;
  const auto at = static_cast<std::uint32_t>(program_.code.size());
  const auto join = static_cast<std::uint32_t>(blocks_.size());
  for (const std::uint32_t block : loop) {
    for_each_edge(block, [&](std::uint32_t& edge) { edge = edge == to ? at : edge; });
  }
  Instruction in;
  in.flow = Flow::kJoin;
  in.next = to;
  in.source = program_.code[to].source;
  in.line = program_.code[to].line;
  program_.code.push_back(in);
  blocks_.push_back({at, at + 1});
  block_at_.push_back(join);
  group_.push_back(kNone);
  return join;
}

void Layout::order() {
  struct Task {
    std::vector<std::uint32_t> nodes;
    int nesting = 0;
    bool is_ordered = false;  ///< write them down as they are
  };
  group_.assign(blocks_.size(), 0);
  number_.resize(blocks_.size());
  lowest_.resize(blocks_.size());
  is_open_.resize(blocks_.size());
  std::vector<Task> tasks(1);
  for (std::uint32_t i = 0; i < blocks_.size(); ++i) tasks[0].nodes.push_back(i);
  std::uint32_t groups = 0;
  while (!tasks.empty()) {
    const Task task = std::move(tasks.back());
    tasks.pop_back();
    if (task.is_ordered || task.nesting > kMaxNesting) {
      sequence_.insert(sequence_.end(), task.nodes.begin(), task.nodes.end());
      continue;
    }
    ++groups;
    for (const std::uint32_t node : task.nodes) group_[node] = groups;
    std::vector<Task> parts;
    // The head of a loop is its block that stands first in the file: compilers put it there.
    for (std::vector<std::uint32_t>& part : components(task.nodes, groups)) {
      parts.push_back({{part[0]}, 0, true});
      if (part.size() == 1) continue;
      const std::uint32_t join = add_join(part, part[0]);
      part.erase(part.begin());
      parts.push_back({std::move(part), task.nesting + 1});
      if (join != kNone) parts.push_back({{join}, 0, true});
    }
    std::move(parts.rbegin(), parts.rend(), std::back_inserter(tasks));
  }
}

void Layout::emit() {
  std::vector<std::uint32_t> moved(program_.code.size(), 0);
  std::vector<Instruction> code;
  code.reserve(program_.code.size());
  for (const std::uint32_t number : sequence_) {
    for (std::uint32_t i = blocks_[number].first; i < blocks_[number].last; ++i) {
      moved[i] = static_cast<std::uint32_t>(code.size());
      code.push_back(program_.code[i]);
    }
  }
  for (Instruction& in : code) {
    in.next = in.next < moved.size() ? moved[in.next] : 0;
    if (in.flow == Flow::kBranch) in.target = moved[in.target];
  }
  for (std::uint32_t& target : program_.targets) target = moved[target];
  program_.entry = moved[0];
  program_.code = std::move(code);
}

}  // namespace

void lay_out(Program& program) { Layout(program).run(); }

}  // namespace switchyard::kernels::xray
