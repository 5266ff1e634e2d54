#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace switchyard::kernels {

/// Thread-safe map of at most `capacity` values; the least recently used goes first. Values are
/// shared, so that one in use outlives its eviction.
template <class Key, class Value, class Hash>
class LruCache {
 public:
  explicit LruCache(std::size_t capacity) : capacity_(capacity) {}

  /// The value of `key`, made by `make()` (a shared_ptr<Value>) when it is not here. Other callers
  /// wait meanwhile: two threads that want one value make it once.
  template <class Make>
  std::shared_ptr<const Value> find_or_make(const Key& key, Make&& make) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
    std::shared_ptr<const Value> made = std::forward<Make>(make)();  // may throw
    entries_.emplace_front(key, std::move(made));
    index_.emplace(key, entries_.begin());
    if (entries_.size() > capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return entries_.front().second;
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  using Entry = std::pair<Key, std::shared_ptr<const Value>>;

  std::size_t capacity_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> index_;
};

}  // namespace switchyard::kernels
