#include "engine/autograd/observer.h"

namespace switchyard {
namespace {

thread_local Observer* observer_here = nullptr;
thread_local RuleInProgress rule_here;

}  // namespace

Observing::Observing(Observer& observer) : outer_(observer_here) { observer_here = &observer; }
Observing::~Observing() { observer_here = outer_; }

Observer* current_observer() { return observer_here; }

RuleInProgress current_rule() { return rule_here; }

RuleScope::RuleScope(RuleInProgress rule) : outer_(rule_here) { rule_here = rule; }
RuleScope::~RuleScope() { rule_here = outer_; }

}  // namespace switchyard
