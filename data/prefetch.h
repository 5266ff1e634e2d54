#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace switchyard {

/// Runs a producer in a thread of its own, at most `depth` items ahead of its consumer.
///
/// The producer returns items until it has none left; what it throws is rethrown by next(), after
/// the items before it. next() belongs to one consumer thread. The destructor waits for the item
/// in progress and drops what was not taken.
template <class T>
class Prefetcher {
 public:
  Prefetcher(std::function<std::optional<T>()> produce, std::size_t depth)
      : produce_(std::move(produce)), depth_(depth), thread_([this] { run(); }) {}

  ~Prefetcher() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// The next item, waiting for it; nothing once the producer has ended.
  std::optional<T> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !items_.empty() || ended_; });
    if (items_.empty()) {
      if (error_) std::rethrow_exception(error_);
      return std::nullopt;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return item;
  }

 private:
  void run() {
    std::exception_ptr error;
    try {
      while (wait_for_room()) {
        std::optional<T> item = produce_();
        if (!item) break;
        const std::lock_guard lock(mutex_);
        items_.push_back(std::move(*item));
        changed_.notify_all();
      }
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
    ended_ = true;
    changed_.notify_all();
  }

  /// False when the consumer is gone.
  bool wait_for_room() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return items_.size() < depth_ || stopped_; });
    return !stopped_;
  }

  const std::function<std::optional<T>()> produce_;
  const std::size_t depth_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> items_;
  std::exception_ptr error_;
  bool ended_ = false;
  bool stopped_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace switchyard
