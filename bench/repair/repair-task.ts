/**
 * Small repair tasks: one module with one mistake, the test that finds it, and the edit that puts it
 * right. Each is a repository of its own; what makes it whole is added by `repository.ts`.
 */
export interface RepairTask {
  id: string
  /** What somebody would write in an issue. */
  task: string
  /** `src/<id>.js`, with the mistake. */
  code: string
  /** Body of `test/<id>.test.js`; `m` is the module, `is` is `assert.deepStrictEqual`. */
  test: string
  edit: { old_text: string; new_text: string }
}

export function task(
  id: string,
  text: string,
  [code, test]: readonly [code: string, test: string],
  [old_text, new_text]: readonly [wrong: string, right: string],
): RepairTask {
  return { id, task: text, code, test, edit: { old_text, new_text } }
}
