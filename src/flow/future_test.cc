// SPDX-License-Identifier: Apache-2.0
#include "flow/future.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace wherry::flow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

Error broken(const std::string& what) { return make_error(Code::kCorrupt, "{} is broken", what); }

TEST(Future, IsReadyWhenItsPromiseIsSetAndOnlyOnce) {
  Promise<int> promise;
  const Future<int> future = promise.future();
  EXPECT_FALSE(future.is_ready());
  EXPECT_EQ(future.wait_for(0ms), nullptr);
  EXPECT_TRUE(promise.set(7));
  EXPECT_FALSE(promise.set(8));
  EXPECT_EQ(future.wait().value(), 7);
  ASSERT_NE(future.wait_for(0ms), nullptr);
  EXPECT_EQ(future.wait_for(0ms)->value(), 7);
}

TEST(Future, EndsAsCancelledWhenItsPromiseIsDropped) {
  Future<int> future;
  { future = Promise<int>().future(); }
  EXPECT_EQ(future.wait().error().code, Code::kCancelled);
  Promise<int> promise;
  const auto replaced = promise.future();
  promise = Promise<int>();
  EXPECT_EQ(replaced.wait().error().code, Code::kCancelled);
  EXPECT_FALSE(promise.future().is_ready());
}

TEST(Future, CarriesWhatCanOnlyBeMoved) {
  Promise<std::unique_ptr<int>> promise;
  const auto doubled =
      promise.future().then([](const std::unique_ptr<int>& value) { return *value * 2; });
  promise.set(std::make_unique<int>(21));
  EXPECT_EQ(doubled.wait().value(), 42);
}

TEST(Future, ChainsValuesResultsAndFutures) {
  Promise<int> promise;
  Promise<std::string> inner;
  const auto text = promise.future()
                        .then([](int value) { return value + 1; })
                        .then([](int value) -> Result<int> { return value * 10; })
                        .then([&](int value) {
                          EXPECT_EQ(value, 80);
                          return inner.future();
                        })
                        .then([](const std::string& value) { return value + "!"; });
  promise.set(7);
  EXPECT_FALSE(text.is_ready());
  inner.set(std::string("done"));
  EXPECT_EQ(text.wait().value(), "done!");
}

TEST(Future, OfNothingChainsToo) {
  Promise<void> promise;
  int calls = 0;
  const Future<void> all = promise.future().then([&] { ++calls; }).then([&] { ++calls; });
  const Future<int> number = all.then([] { return 3; });
  promise.set({});
  EXPECT_TRUE(all.wait());
  EXPECT_EQ(number.wait().value(), 3);
  EXPECT_EQ(calls, 2);
}

TEST(Future, PassesAnErrorOnWithoutCallingWhatFollows) {
  Promise<int> promise;
  bool is_called = false;
  const auto end = promise.future()
                       .then([](int) -> Result<int> { return broken("first"); })
                       .then([&](int) { is_called = true; })
                       .then([&] { is_called = true; });
  promise.set(1);
  EXPECT_EQ(end.wait().error(), broken("first"));
  EXPECT_FALSE(is_called);
}

TEST(Future, TellsManyListenersOnceEachAlsoThoseWhoComeLate) {
  Promise<int> promise;
  const auto future = promise.future();
  int heard = 0;
  for (int i = 0; i < 3; ++i) future.on_ready([&](const Result<int>& result) { heard += *result; });
  promise.set(10);
  EXPECT_EQ(heard, 30);
  future.on_ready([&](const Result<int>& result) { heard += *result; });
  EXPECT_EQ(heard, 40);
}

TEST(Future, WhatNobodyWorksForEndsAtOnceWhenItIsCancelled) {
  Promise<int> promise;
  bool is_called = false;
  const auto next = promise.future().then([&](int) { is_called = true; });
  next.cancel();
  EXPECT_EQ(next.wait().error().code, Code::kCancelled);
  EXPECT_FALSE(promise.future().is_ready()) << "others may want it";
  promise.set(1);
  EXPECT_FALSE(is_called);
}

TEST(Future, WhoWorksForItDecidesHowACancelledOneEnds) {
  Promise<int> promise;
  int asked = 0;
  promise.on_cancel([&] { ++asked; });
  const auto future = promise.future();
  future.cancel();
  future.cancel();
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(future.is_ready());
  promise.set(5);
  EXPECT_EQ(future.wait().value(), 5);
  future.cancel();
  EXPECT_EQ(asked, 1);
}

TEST(Future, CancellingAChainReachesTheFutureThatItIsWaitingFor) {
  Promise<int> first;
  Promise<int> second;
  bool is_asked = false;
  second.on_cancel([&] { is_asked = true; });
  const auto chain = first.future().then([&](int) { return second.future(); });
  first.set(1);
  chain.cancel();
  EXPECT_TRUE(is_asked);
  EXPECT_FALSE(chain.is_ready());
  second.set(make_error(Code::kCancelled, "stopped"));
  EXPECT_EQ(chain.wait().error().message, "stopped");
}

TEST(Future, AWishToCancelThatComesBeforeAnybodyListensIsHeardLater) {
  Promise<int> first;
  Promise<int> second;
  bool is_asked = false;
  second.on_cancel([&] { is_asked = true; });
  Future<int> chain;
  chain = first.future().then([&](int) {
    chain.cancel();  // while its work begins
    return second.future();
  });
  first.set(1);
  EXPECT_EQ(chain.wait().error().code, Code::kCancelled);
  EXPECT_TRUE(is_asked);
  chain = Future<int>();
}

TEST(WhenAll, HasTheValuesInTheirOrderOrTheFirstErrorInThatOrder) {
  std::vector<Promise<int>> promises(3);
  std::vector<Future<int>> futures;
  for (const auto& promise : promises) futures.push_back(promise.future());
  const auto all = when_all(futures);
  promises[2].set(3);
  promises[0].set(1);
  EXPECT_FALSE(all.is_ready());
  promises[1].set(2);
  EXPECT_THAT(all.wait().value(), ElementsAre(1, 2, 3));

  std::vector<Promise<int>> others(3);
  futures.clear();
  for (const auto& promise : others) futures.push_back(promise.future());
  const auto failing = when_all(futures);
  others[2].set(broken("last"));
  others[1].set(broken("middle"));
  EXPECT_FALSE(failing.is_ready()) << "it ends when all have ended";
  others[0].set(1);
  EXPECT_EQ(failing.wait().error(), broken("middle"));
}

TEST(WhenAll, OfNoneIsReadyAndOfVoidHasNoValue) {
  EXPECT_TRUE(when_all(std::vector<Future<int>>()).wait().value().empty());
  Promise<void> promise;
  const Future<void> all = when_all(std::vector{promise.future(), promise.future()});
  EXPECT_FALSE(all.is_ready());
  promise.set({});
  EXPECT_TRUE(all.wait());
}

TEST(Future, AChainOfAHundredThousandNeedsNoStack) {
  Promise<int> promise;
  Future<int> end = promise.future();
  for (int i = 0; i < 100'000; ++i) end = end.then([](int value) { return value + 1; });
  promise.set(0);
  EXPECT_EQ(end.wait().value(), 100'000);
}

TEST(Future, WhatACallbackCompletesCanBeWaitedForThere) {
  Promise<int> first;
  Promise<int> second;
  int seen = 0;
  first.future().on_ready([&](const Result<int>&) {
    const auto next = second.future().then([](int value) { return value + 1; });
    second.set(1);
    seen = next.wait().value();
  });
  first.set(0);
  EXPECT_EQ(seen, 2);
}

TEST(Future, ThousandsWaitWithoutThreadsAndAreSetByOthers) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2'500;
  std::vector<Promise<int>> promises(kThreads * kEach);
  std::vector<Future<int>> futures;
  for (const auto& promise : promises)
    futures.push_back(promise.future().then([](int value) { return value * 2; }));
  const auto all = when_all(futures);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&promises, t] {
      for (int i = 0; i < kEach; ++i) promises[static_cast<std::size_t>(t * kEach + i)].set(i);
    });
  }
  EXPECT_EQ(all.wait().value().size(), static_cast<std::size_t>(kThreads * kEach));
  EXPECT_EQ(all.wait().value().back(), 2 * (kEach - 1));
  for (auto& thread : threads) thread.join();
}

TEST(Future, SettingAndCancellingFromManyThreadsEndsItOnce) {
  for (int round = 0; round < 200; ++round) {
    Promise<int> promise;
    const auto future = promise.future();
    std::atomic<int> ends = 0;
    future.on_ready([&](const Result<int>&) { ++ends; });
    std::thread canceller([&] { future.cancel(); });
    const bool is_set = promise.set(1);
    canceller.join();
    EXPECT_EQ(ends, 1);
    EXPECT_EQ(future.wait().has_value(), is_set);
  }
}

}  // namespace
}  // namespace wherry::flow
