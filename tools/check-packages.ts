import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runGate, type Finding } from './lib/gate.ts'
import { runCommand } from './lib/run-command.ts'
import { workspacesOf, type Workspace } from './lib/workspaces.ts'

/** What a user gets is the tarball, so that is what is looked at: exports, types, and that every file is in it. */
await runGate({
  name: 'packages',
  unit: 'packages',
  minimum: 5,
  inspect: (root) => {
    const published = workspacesOf(root).filter((workspace) => !workspace.private)
    return { examined: published.length, findings: published.flatMap((workspace) => inspectPackage(root, workspace)) }
  },
})

function inspectPackage(root: string, { folder, builtFolders }: Workspace): Finding[] {
  if (!builtFolders.every((built) => existsSync(join(root, built)))) {
    return [{ where: folder, problem: 'is not built', remedy: 'Run `npm run build` first.' }]
  }
  return [
    ...runChecker(root, folder, 'publint', ['--strict', folder]),
    ...runChecker(root, folder, 'attw', ['--pack', folder, '--profile', 'esm-only', '--no-color', '--no-emoji']),
  ]
}

function runChecker(root: string, folder: string, command: string, args: readonly string[]): Finding[] {
  const { ok, output } = runCommand(root, command, args)
  if (ok) return []
  return [
    {
      where: folder,
      problem: `${command} is not content:\n${output.trim()}`,
      remedy: 'Correct package.json or what is built.',
    },
  ]
}
