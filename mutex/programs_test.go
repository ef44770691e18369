package mutex_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// constructors are the generic functions whose type argument no other argument implies.
var constructors = map[string]bool{"Fail": true}

func TestTheFunctionalProgramsHaveNoTypeArguments(t *testing.T) {
	t.Parallel()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "example_programs_test.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	programs := 0
	for _, declaration := range file.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Type.Params.NumFields() == 0 {
			programs++
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					assert.Empty(t, typeArgument(call), set.Position(call.Pos()))
				}
				return true
			})
		}
	}
	assert.Equal(t, 10, programs)
}

// typeArgument names the function that a call gives a type argument to.
func typeArgument(call *ast.CallExpr) string {
	var generic ast.Expr
	switch f := call.Fun.(type) {
	case *ast.IndexExpr:
		generic = f.X
	case *ast.IndexListExpr:
		generic = f.X
	}
	if s, ok := generic.(*ast.SelectorExpr); ok && !constructors[s.Sel.Name] {
		return s.Sel.Name
	}
	return ""
}
