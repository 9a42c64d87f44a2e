//go:build tools

// Package tools names what setup builds, so that go.mod and go.sum pin the Pulumi CLI and all that it is made of.
// It is built only where Pulumi's own download can't be had; see toolchain/setup/pulumi-cli.mjs.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
