public enum FailoverRequest {}
