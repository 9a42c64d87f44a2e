// ESLint: the recommended rules with type information, so that a forgotten `await` is an error and not a lost failure.
import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules/**", "images/**", ".state/**", ".cache/**"] },
  eslint.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/consistent-type-imports": "error",
      eqeqeq: "error",
    },
  },
  // Plain JavaScript is checked by tsc too (checkJs), which knows Node's globals.
  { files: ["**/*.js", "**/*.mjs"], rules: { "no-undef": "off" } },
);
