"""What ``shackdoo doctor`` looks at, a module a subject. A trouble is a finding, no error."""
