// What stands at a path.

internal import Foundation

/// What stands at a path, links followed.
enum FileKind {
  case absent
  case folder
  case file

  init(at path: String) {
    var isFolder: ObjCBool = false
    // The only unsafe part is the pointer to the local flag, which does not outlive the call.
    let exists = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    self = !exists ? .absent : isFolder.boolValue ? .folder : .file
  }
}
