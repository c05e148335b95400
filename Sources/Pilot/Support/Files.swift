// The few things that we do with files, with the permissions and the durability that secrets and records need.

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// Why a call of the operating system failed.
struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
  let number: Int32
  /// What was tried, with the path.
  let action: String

  init(_ action: String, number: Int32 = errno) {
    self.number = number
    self.action = action
  }

  /// No room: on the disk, by a quota, or by the process's own limit for files.
  var isFull: Bool { number == ENOSPC || number == EDQUOT || number == EFBIG }
  var isMissing: Bool { number == ENOENT }

  var reason: String { unsafe String(cString: strerror(number)) }
  var description: String { "cannot \(action): \(reason)" }
}

/// Files and folders; everything here blocks.
enum Files {
  /// For the owner alone.
  static let privateFile: mode_t = 0o600
  /// For the owner alone.
  static let privateFolder: mode_t = 0o700
  /// More than any record, secret or log of ours has.
  static let longestFile = 16 << 20

  /// Makes a folder and those above it, each for the owner alone; what exists is left as it is.
  static func makeFolder(_ path: String) throws(SystemError) {
    if unsafe mkdir(path, privateFolder) == 0 { return }
    switch errno {
    case EEXIST:
      guard try isFolder(path) else { throw SystemError("make folder \(path)", number: ENOTDIR) }
    case ENOENT:
      guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
        throw SystemError("make folder \(path)", number: ENOENT)
      }
      try makeFolder(String(path[..<slash]))
      // Another process may make it in between.
      guard unsafe mkdir(path, privateFolder) == 0 || errno == EEXIST else { throw SystemError("make folder \(path)") }
    default: throw SystemError("make folder \(path)")
    }
  }

  /// Owner and permissions of what is there; nil if nothing is.
  static func status(_ path: String) throws(SystemError) -> stat? {
    var status = stat()
    if unsafe lstat(path, &status) == 0 { return status }
    if errno == ENOENT { return nil }
    throw SystemError("look at \(path)")
  }

  static func isFolder(_ path: String) throws(SystemError) -> Bool {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      if errno == ENOENT { return false }
      throw SystemError("look at \(path)")
    }
    return status.st_mode & S_IFMT == S_IFDIR
  }

  /// The whole file; nil if there is none.
  static func read(_ path: String) throws(SystemError) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw SystemError("open \(path)")
    }
    defer { closeDescriptor(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = Self.read(descriptor, &buffer, buffer.count)
      if count == 0 { return bytes }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw SystemError("read \(path)")
      }
      bytes += buffer[..<count]
      guard bytes.count <= longestFile else { throw SystemError("read \(path)", number: EFBIG) }
    }
  }

  /// The last bytes of a file, at most `limit`.
  static func readEnd(of path: String, limit: Int) throws(SystemError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw SystemError("open \(path)") }
    defer { closeDescriptor(descriptor) }
    let size = lseek(descriptor, 0, SEEK_END)
    guard size >= 0, lseek(descriptor, max(0, size - limit), SEEK_SET) >= 0 else { throw SystemError("read \(path)") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while bytes.count < limit {
      let count = read(descriptor, &buffer, min(buffer.count, limit - bytes.count))
      if count == 0 { break }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw SystemError("read \(path)")
      }
      bytes += buffer[..<count]
    }
    return bytes
  }

  /// Replaces a file so that a reader, and a crash, sees the old content or the new one, never a piece.
  static func write(_ bytes: some Collection<UInt8>, to path: String) throws(SystemError) {
    let folder = parent(of: path)
    let temporary = try writeTemporary(bytes, in: folder, for: path)
    guard unsafe rename(temporary, path) == 0 else {
      let error = SystemError("replace \(path)")
      _ = unsafe unlink(temporary)
      throw error
    }
    try syncFolder(folder)
  }

  /// Writes a file if there is none yet; what is there already is left as it is.
  ///
  /// What is there needs no room on the disk.
  static func writeOnce(_ bytes: some Collection<UInt8>, to path: String) throws(SystemError) {
    guard try status(path) == nil else { return }
    let folder = parent(of: path)
    let temporary = try writeTemporary(bytes, in: folder, for: path)
    // Unlike a rename, a link does not replace what another process has written meanwhile.
    let linked = unsafe link(temporary, path) == 0 || errno == EEXIST
    let error = SystemError("write \(path)")
    _ = unsafe unlink(temporary)
    guard linked else { throw error }
    try syncFolder(folder)
  }

  /// Removes a file; a missing one is no error.
  static func remove(_ path: String) throws(SystemError) {
    guard unsafe unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove \(path)") }
  }

  /// Removes a folder with all that is in it, without following links out of it; a missing one is no error.
  static func removeTree(_ path: String) throws(SystemError) {
    guard let status = try status(path) else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
    for name in try list(path) { try removeTree(path + "/" + name) }
    guard unsafe rmdir(path) == 0 || errno == ENOENT else { throw SystemError("remove folder \(path)") }
  }

  /// The names in a folder, sorted; empty if there is no folder.
  static func list(_ path: String) throws(SystemError) -> [String] {
    guard let folder = unsafe opendir(path) else {
      if errno == ENOENT { return [] }
      throw SystemError("list \(path)")
    }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// What the names of unfinished files begin with: a crash may leave one behind, which nobody reads.
  static let temporaryPrefix = ".unfinished-"

  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func writeTemporary(
    _ bytes: some Collection<UInt8>,
    in folder: String,
    for path: String
  ) throws(SystemError) -> String {
    let temporary = "\(folder)/\(temporaryPrefix)\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, privateFile)
    guard descriptor >= 0 else { throw SystemError("make a file in \(folder)") }
    do throws(SystemError) {
      defer { closeDescriptor(descriptor) }
      try writeAll(Array(bytes), to: descriptor, path)
      guard fsync(descriptor) == 0 else { throw SystemError("write \(path)") }
    } catch {
      _ = unsafe unlink(temporary)
      throw error
    }
    return temporary
  }

  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(SystemError) {
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Self.write(descriptor, buffer.baseAddress.map { unsafe $0 + offset }, buffer.count - offset)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw SystemError("write \(path)")
      }
      offset += count
    }
  }

  /// Makes a rename last through a crash of the machine.
  private static func syncFolder(_ path: String) throws(SystemError) {
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError("open folder \(path)") }
    defer { closeDescriptor(descriptor) }
    guard fsync(descriptor) == 0 else { throw SystemError("write folder \(path)") }
  }

  // The names of C, which our own would hide.
  private static func read(_ descriptor: Int32, _ buffer: inout [UInt8], _ count: Int) -> Int {
    #if canImport(Glibc)
      unsafe Glibc.read(descriptor, &buffer, count)
    #else
      unsafe Musl.read(descriptor, &buffer, count)
    #endif
  }

  private static func write(_ descriptor: Int32, _ start: UnsafeRawPointer?, _ count: Int) -> Int {
    guard let start = unsafe start else { return 0 }
    #if canImport(Glibc)
      return unsafe Glibc.write(descriptor, start, count)
    #else
      return unsafe Musl.write(descriptor, start, count)
    #endif
  }
}

/// `close`, whose only failure we could act on does not exist: the descriptor is gone in any case.
func closeDescriptor(_ descriptor: Int32) {
  _ = close(descriptor)
}
