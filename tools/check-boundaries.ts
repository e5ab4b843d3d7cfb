import { codeFiles } from './lib/files.ts'
import { runGate, type Finding } from './lib/gate.ts'
import { importsOf, relativeTarget, type Import } from './lib/imports.ts'
import { workspacesOf, type Workspace } from './lib/workspaces.ts'

/** What the sources of a package may import from this repository. Anything not listed may import nothing of it. */
const allowedByFolder: Readonly<Record<string, readonly string[]>> = {
  'packages/core': [],
  'packages/kafka': ['@acuse/core'],
  'packages/postgres': ['@acuse/core'],
  'packages/nats': ['@acuse/core'],
  'packages/rabbitmq': ['@acuse/core'],
  'packages/redis': ['@acuse/core'],
  'packages/testing': ['@acuse/core'],
  'packages/transports': [
    '@acuse/core',
    ...['@acuse/kafka', '@acuse/nats', '@acuse/postgres', '@acuse/rabbitmq', '@acuse/redis'],
  ],
  'packages/nestjs': ['@acuse/core'],
  'packages/cli': ['@acuse/core', '@acuse/postgres', '@acuse/transports'],
  'proof/bench': ['@acuse/core', '@acuse/postgres', '@acuse/transports', '@acuse-proof/servers'],
  'proof/chaos': [
    '@acuse/core',
    '@acuse/postgres',
    '@acuse/rabbitmq',
    '@acuse/kafka',
    '@acuse/redis',
    '@acuse/nats',
    '@acuse/testing',
    '@acuse-proof/servers',
  ],
  'proof/servers': [],
}

await runGate({
  name: 'boundaries',
  unit: 'source files',
  minimum: 120,
  inspect: (root) => {
    const files = codeFiles(root)
    const workspaces = workspacesOf(root)
    const findings = files.flatMap((file) => importsOf(root, file)).flatMap((found) => judge(found, workspaces))
    return { examined: files.length, findings }
  },
})

function judge(found: Import, workspaces: readonly Workspace[]): Finding[] {
  const home = workspaces.find(({ folder }) => found.from.startsWith(`${folder}/`))
  const rules = [staysInside, usesPublicNames, followsTheArrows, keepsCoreBare]
  const broken = rules.map((rule) => rule(found, home, workspaces)).find((finding) => finding !== undefined)
  return broken === undefined ? [] : [{ where: `${found.from}:${found.line}`, ...broken }]
}

type Broken = Omit<Finding, 'where'> | undefined

function staysInside(found: Import, home: Workspace | undefined, workspaces: readonly Workspace[]): Broken {
  const target = relativeTarget(found)
  if (target === undefined) return undefined
  const owner = workspaces.find(({ folder }) => target === folder || target.startsWith(`${folder}/`))
  if (owner !== home && owner !== undefined) {
    return {
      problem: `reaches into ${owner.folder} by the path ${found.specifier}`,
      remedy: `Import ${owner.name} by its name; what it does not export is its own affair.`,
    }
  }
  if (home === undefined || !isSource(found, home) || target.startsWith(`${home.folder}/src/`)) return undefined
  return {
    problem: `leaves its src folder by the path ${found.specifier}`,
    remedy: 'What is published may only import what is published with it.',
  }
}

function usesPublicNames(found: Import, _home: Workspace | undefined, workspaces: readonly Workspace[]): Broken {
  const owner = ownerOf(found, workspaces)
  if (owner === undefined || owner.publicNames.includes(found.specifier)) return undefined
  return {
    problem: `imports ${found.specifier}, which is no export of ${owner.name}`,
    remedy: `Use one of: ${owner.publicNames.join(', ')}.`,
  }
}

function followsTheArrows(found: Import, home: Workspace | undefined, workspaces: readonly Workspace[]): Broken {
  const owner = ownerOf(found, workspaces)
  if (owner === undefined || home === undefined || owner === home || !isSource(found, home)) return undefined
  if (home.folder.startsWith('services/')) return serviceMayImport(owner, home)
  const allowed = allowedByFolder[home.folder] ?? []
  if (allowed.includes(owner.name)) return undefined
  return {
    problem: `imports ${owner.name}, but ${home.name} may import ${allowed.join(' and ') || 'no other package'}`,
    remedy: 'Dependencies point to core. Pass what is needed in through one of its ports.',
  }
}

function serviceMayImport(owner: Workspace, home: Workspace): Broken {
  const shared = owner.folder.startsWith('packages/') || owner.folder === 'services/contracts'
  if (shared || home.folder === 'services/marketplace') return undefined
  return {
    problem: `imports ${owner.name}, another service`,
    remedy: 'Services share the messages in @acuse-services/contracts and nothing else.',
  }
}

function keepsCoreBare(found: Import, home: Workspace | undefined): Broken {
  if (home?.folder !== 'packages/core' || !isSource(found, home)) return undefined
  if (found.specifier.startsWith('node:') || found.specifier.startsWith('.')) return undefined
  return {
    problem: `imports ${found.specifier}, but core imports nothing except node:*`,
    remedy: 'Take it as a port, or move this file to an adapter.',
  }
}

function ownerOf(found: Import, workspaces: readonly Workspace[]): Workspace | undefined {
  return workspaces.find(({ name }) => found.specifier === name || found.specifier.startsWith(`${name}/`))
}

function isSource(found: Import, home: Workspace): boolean {
  return found.from.startsWith(`${home.folder}/src/`)
}
