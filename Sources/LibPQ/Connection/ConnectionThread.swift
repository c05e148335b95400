// The thread of one connection, as a serial executor.

internal import CLibPQ
internal import Glibc

/// A thread that runs the jobs of one ``PostgresConnection``, in order.
///
/// They may block; nothing else waits for them.
///
/// Unchecked because of the pointers: `jobs`, `isStopping` and `lastWord` are touched only under `mutex`; the mutex and the
/// condition live as long as the object, and the running thread holds a reference to it.
@safe final class ConnectionThread: SerialExecutor, @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var jobs: [UnownedJob] = []
  private var isStopping = false
  private var lastWord: (@Sendable () -> Void)?
  /// Written by `start` before any job can be enqueued.
  private var thread = pthread_t()

  private init() {
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe condition.initialize(to: pthread_cond_t())
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Starts a thread.
  ///
  /// It runs until ``stop(lastWord:)``.
  ///
  /// - Parameter name: What the system's tools show, cut to the 15 bytes that Linux takes.
  static func start(name: String) throws(PostgresError) -> ConnectionThread {
    let executor = ConnectionThread()
    unsafe pthread_mutex_lock(executor.mutex)
    defer { unsafe pthread_mutex_unlock(executor.mutex) }
    let context = unsafe Unmanaged.passRetained(executor).toOpaque()
    let code = unsafe pthread_create(
      &executor.thread,
      nil,
      { context in
        guard let context = unsafe context else { return nil }
        unsafe Unmanaged<ConnectionThread>.fromOpaque(context).takeRetainedValue().runJobs()
        return nil
      },
      context
    )
    guard code == 0 else {
      unsafe Unmanaged<ConnectionThread>.fromOpaque(context).release()
      throw PostgresError(.connectionFailed, "Cannot start a thread: \(systemErrorText(code)).")
    }
    pthread_detach(executor.thread)
    let shortName = String(decoding: name.utf8.prefix(15), as: UTF8.self)
    _ = unsafe shortName.withCString { unsafe pthread_setname_np(executor.thread, $0) }
    return executor
  }

  /// Lets the thread end once it has run what is enqueued.
  ///
  /// - Parameter lastWord: Runs on the thread, as the last thing. This is where the connection is closed.
  func stop(lastWord: @escaping @Sendable () -> Void) {
    unsafe pthread_mutex_lock(mutex)
    isStopping = true
    self.lastWord = lastWord
    unsafe pthread_cond_signal(condition)
    unsafe pthread_mutex_unlock(mutex)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    unsafe pthread_mutex_lock(mutex)
    jobs.append(job)
    unsafe pthread_mutex_unlock(mutex)
    // Behind the unlock, so that the thread does not wake up to a mutex that is still taken.
    unsafe pthread_cond_signal(condition)
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    unsafe UnownedSerialExecutor(ordinary: self)
  }

  func isIsolatingCurrentContext() -> Bool? {
    pthread_equal(pthread_self(), thread) != 0
  }

  func checkIsolated() {
    precondition(isIsolatingCurrentContext() == true, "This must run on the connection's own thread.")
  }

  private func runJobs() {
    // The two arrays change places, so that neither is allocated again.
    var batch: [UnownedJob] = []
    let executor = unsafe asUnownedSerialExecutor()
    while true {
      unsafe pthread_mutex_lock(mutex)
      while jobs.isEmpty, !isStopping { unsafe pthread_cond_wait(condition, mutex) }
      swap(&batch, &jobs)
      let lastWord = batch.isEmpty ? lastWord : nil
      let isDone = batch.isEmpty
      unsafe pthread_mutex_unlock(mutex)
      if isDone {
        lastWord?()
        return
      }
      for job in batch { unsafe job.runSynchronously(on: executor) }
      batch.removeAll(keepingCapacity: true)
    }
  }
}
