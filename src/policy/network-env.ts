/** Where 127.0.0.1 leads out, for whatever a sandbox runs. */

const HOST = '127.0.0.1'

/** What programs of a sandbox that has a door at `port` find in their environment. */
export function networkEnv(port: number): Record<string, string> {
  const proxy = `http://${HOST}:${port}`
  const java = ['http', 'https']
    .flatMap((scheme) => [`-D${scheme}.proxyHost=${HOST}`, `-D${scheme}.proxyPort=${port}`])
    .concat('-Dhttp.nonProxyHosts=localhost|127.*|[::1]')
    .join(' ')
  const none = 'localhost,127.0.0.1,::1'
  return {
    // Programs differ in which case they read.
    http_proxy: proxy,
    https_proxy: proxy,
    all_proxy: proxy,
    no_proxy: none,
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    ALL_PROXY: proxy,
    NO_PROXY: none,
    NODE_USE_ENV_PROXY: '1',
    npm_config_proxy: proxy,
    npm_config_https_proxy: proxy,
    npm_config_noproxy: none,
    YARN_HTTP_PROXY: proxy,
    YARN_HTTPS_PROXY: proxy,
    PIP_PROXY: proxy,
    CARGO_HTTP_PROXY: proxy,
    JAVA_TOOL_OPTIONS: java,
  }
}
