#include "pg/worker/shared_run.h"

extern "C" {
#include "utils/timestamp.h"
}

#include <cstring>
#include <new>

#include "pg/server/airlock.h"

namespace tablesync::pg {
namespace {

constexpr uint64 magic = 0x7461626c6573796e;  // "tablesyn"
constexpr uint64 key_run = 1, key_request = 2, key_queue = 3;
constexpr Size queue_size = 65536;

struct RequestBytes {
  size_t size;
  char bytes[FLEXIBLE_ARRAY_MEMBER];
};

}  // namespace

SharedSegment SharedSegment::create(std::string_view request) {
  SharedSegment created;
  call([&] {
    shm_toc_estimator estimator;
    shm_toc_initialize_estimator(&estimator);
    Size const request_size = sizeof(size_t) + request.size();
    shm_toc_estimate_chunk(&estimator, sizeof(SharedRun));
    shm_toc_estimate_chunk(&estimator, request_size);
    shm_toc_estimate_chunk(&estimator, queue_size);
    shm_toc_estimate_keys(&estimator, 3);
    Size const size = shm_toc_estimate(&estimator);
    created.segment_ = dsm_create(size, 0);
    shm_toc *toc = shm_toc_create(magic, dsm_segment_address(created.segment_), size);
    void *run = shm_toc_allocate(toc, sizeof(SharedRun));
    memset(run, 0, sizeof(SharedRun));
    shm_toc_insert(toc, key_run, run);
    auto *bytes = static_cast<RequestBytes *>(shm_toc_allocate(toc, request_size));
    bytes->size = request.size();
    memcpy(bytes->bytes, request.data(), request.size());
    shm_toc_insert(toc, key_request, bytes);
    void *queue = shm_toc_allocate(toc, queue_size);
    shm_mq_create(queue, queue_size);
    shm_toc_insert(toc, key_queue, queue);
  });
  created.mapped_here_ = true;
  created.find_parts();
  auto *progress = new (&created.run_->progress) Progress;
  progress->phase_started_us = GetCurrentTimestamp();
  return created;
}

SharedSegment SharedSegment::attach(dsm_handle handle) {
  SharedSegment attached;
  attached.segment_ = dsm_find_mapping(handle);
  if (attached.segment_ == nullptr) {
    attached.segment_ = call([&] { return dsm_attach(handle); });
    attached.mapped_here_ = true;
  }
  if (attached.segment_ != nullptr) attached.find_parts();
  return attached;
}

void SharedSegment::detach() {
  if (mapped_here_ && segment_ != nullptr) call([&] { dsm_detach(segment_); });
  segment_ = nullptr;
  run_ = nullptr;
}

void SharedSegment::find_parts() {
  shm_toc *toc = shm_toc_attach(magic, dsm_segment_address(segment_));
  if (toc == nullptr) return;
  call([&] {
    run_ = static_cast<SharedRun *>(shm_toc_lookup(toc, key_run, false));
    queue_ = static_cast<shm_mq *>(shm_toc_lookup(toc, key_queue, false));
  });
  const auto *bytes =
      static_cast<RequestBytes *>(call([&] { return shm_toc_lookup(toc, key_request, false); }));
  request_ = {bytes->bytes, bytes->size};
}

std::string serialize(const Row &row) {
  std::string bytes;
  for (const Cell &cell : row) {
    const std::int64_t size = cell ? static_cast<std::int64_t>(cell->size()) : -1;
    bytes.append(reinterpret_cast<const char *>(&size), sizeof size);
    if (cell) bytes += *cell;
  }
  return bytes;
}

Row deserialize_row(std::string_view bytes) {
  Row row;
  while (bytes.size() >= sizeof(std::int64_t)) {
    std::int64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.remove_prefix(sizeof size);
    if (size < 0) {
      row.emplace_back(std::nullopt);
    } else {
      row.emplace_back(std::string(bytes.substr(0, static_cast<size_t>(size))));
      bytes.remove_prefix(std::min(bytes.size(), static_cast<size_t>(size)));
    }
  }
  return row;
}

}  // namespace tablesync::pg
