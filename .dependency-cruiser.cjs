// The architecture, as data. Keep in step with ARCHITECTURE.md ("The layers").
//
// The parser behind it (swc) cannot tell `import type` from `import`. For the rules from which types
// are exempt test/architecture/boundaries.test.ts sorts out the difference.

/** Top to bottom. A layer may import any layer to its right, never to its left. */
const LAYERS = [
  'api',
  'runtime',
  'blueprint',
  'actions',
  'tools',
  'sandbox',
  'policy',
  'workspace',
  'state',
]

/** Beside the stack: what each one may import (besides itself and `schema`). */
const BESIDE = {
  context: ['model', 'cache', 'artifacts', 'state'],
  router: ['model', 'state'],
  model: ['cache'],
  cache: ['state'],
  events: ['state'],
  artifacts: ['workspace', 'state'],
}

/** Only these folders or files of `src` may import these packages. */
const PACKAGE_OWNERS = {
  dockerode: ['sandbox'],
  'tar-fs': ['sandbox'],
  'tar-stream': ['sandbox'],
  'better-sqlite3': ['state'],
  'drizzle-orm': ['state'],
  'simple-git': ['workspace'],
  hono: ['api', 'client', 'cli'],
  '@hono/node-server': ['api', 'cli'],
  '@modelcontextprotocol/sdk': ['cli', 'tools'],
  ws: ['api'],
  '@opentelemetry/api': ['events'],
  pino: ['api'],
  'prom-client': ['api'],
  commander: ['cli'],
  'cli-table3': ['cli'],
  openai: ['model'],
  '@anthropic-ai/sdk': ['model'],
  yaml: ['schema'],
  'fast-xml-parser': ['actions'],
  croner: ['runtime'],
  'web-tree-sitter': ['context'],
  'ipaddr.js': ['policy'],
}

/** The lowest layer that may use the services beside the stack. */
const LOWEST_USER_OF_BESIDE = 'tools'

/** The files of the client that may build the program they talk to. */
const APP_BUILDERS = ['cli/connect.ts', 'cli/open-server.ts']

const literal = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
/** A folder stands for all in it, a file for itself. */
const any = (names) =>
  `^src/(${names.map((name) => literal(name) + (name.endsWith('.ts') ? '$' : '/')).join('|')})`

const layerRules = LAYERS.map((layer, i) => {
  const below = LAYERS.slice(i + 1)
  const beside = i <= LAYERS.indexOf(LOWEST_USER_OF_BESIDE) ? Object.keys(BESIDE) : []
  return {
    name: `layer-${layer}`,
    comment: `${layer} may import only ${['schema', ...below, ...beside].join(', ')}.`,
    severity: 'error',
    from: { path: `^src/${layer}/` },
    to: { path: '^src/', pathNot: any([layer, 'schema', ...below, ...beside]) },
  }
})

const besideRules = Object.entries(BESIDE).map(([name, uses]) => ({
  name: `beside-${name}`,
  comment: `${name} may import only ${['schema', ...uses].join(', ')}.`,
  severity: 'error',
  from: { path: `^src/${name}/` },
  to: { path: '^src/', pathNot: any([name, 'schema', ...uses]) },
}))

const packageRules = Object.entries(PACKAGE_OWNERS).map(([pkg, owners]) => ({
  name: `only-owners-use-${pkg}`,
  comment: `${pkg} belongs to ${owners.join(', ')}.`,
  severity: 'error',
  from: { path: '^src/', pathNot: any(owners) },
  to: { path: `node_modules/${literal(pkg)}/` },
}))

module.exports = {
  forbidden: [
    ...layerRules,
    ...besideRules,
    ...packageRules,
    {
      name: 'schema-is-a-leaf',
      comment: 'schema describes data; it knows no subsystem.',
      severity: 'error',
      from: { path: '^src/schema/' },
      to: { path: '^src/', pathNot: '^src/schema/' },
    },
    {
      name: 'one-door',
      comment: 'Reach another subsystem through its index.ts only.',
      severity: 'error',
      from: { path: '^src/([^/]+)' },
      to: { path: '^src/[^/]+/.+', pathNot: ['^src/$1/', '^src/[^/]+/index[.]ts$'] },
    },
    {
      name: 'not-through-own-door',
      comment: 'Inside a subsystem import the file itself; its index.ts is for others.',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: '^src/[^/]+/index[.]ts$' },
      to: { path: '^src/$1/index[.]ts$' },
    },
    {
      name: 'cli-is-a-client',
      comment: `A command talks to the API; only ${APP_BUILDERS.join(' and ')} build the program.`,
      severity: 'error',
      from: { path: '^src/cli/', pathNot: any(APP_BUILDERS) },
      to: {
        path: '^src/',
        pathNot: ['^src/(cli|client|schema)/', '^src/config[.]ts$'],
      },
    },
    {
      name: 'app-is-built-at-the-edge',
      comment: 'Subsystems are given what they use; they never reach for the whole program.',
      severity: 'error',
      from: { path: '^src/', pathNot: [any(APP_BUILDERS), '^src/(app|serve|index)[.]ts$'] },
      to: { path: '^src/(app|serve)[.]ts$' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: ['^src/schema/ports[.]ts$'] },
      to: {},
    },
    {
      name: 'src-not-to-test',
      severity: 'error',
      from: { path: '^src/', pathNot: '[.]test[.]ts$' },
      to: { path: ['^test/', '[.]test[.]ts$'] },
    },
    {
      name: 'not-to-dev-dep',
      severity: 'error',
      from: { path: '^src/', pathNot: '[.]test[.]ts$' },
      to: { dependencyTypes: ['npm-dev'] },
    },
    {
      name: 'not-to-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
