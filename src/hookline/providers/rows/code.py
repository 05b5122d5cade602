"""Where code lives, is built and is shipped."""

from __future__ import annotations

from hookline.providers import handshakes
from hookline.providers.base import Provider
from hookline.providers.facts import Facts
from hookline.providers.fields import Time, first, join, whole
from hookline.providers.rows.gitlab import GITLAB
from hookline.providers.schemes.base import Binding
from hookline.providers.schemes.hmac import Hmac, Items
from hookline.providers.schemes.jwt import Claims, Jwt, body_hash, expect, expect_hash
from hookline.providers.schemes.shared import Authorization, Token

JSON_OR_FORM = frozenset({b"application/json", b"application/x-www-form-urlencoded"})

GITHUB = Provider(
    name="github",
    title="GitHub",
    docs="https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries",
    scheme=Hmac(header="X-Hub-Signature-256", prefix="sha256="),
    credential="the text typed into the hook's Secret field",
    type=join(".", "header.X-GitHub-Event", "body.action"),
    # One event that two hooks subscribe to carries one GUID: through the second hook it is a duplicate.
    id="header.X-GitHub-Delivery",
    subject=first("body.repository.full_name", "body.organization.login"),
    payload_field="payload",
    # What an organisation's or an app's hook adds to the same event.
    volatile=("installation", "organization", "enterprise"),
    content_types=JSON_OR_FORM,
    retries=False,
    bodies_repeat=False,
    notes="Never redelivers by itself. Sends SHA-1 beside SHA-256; SHA-1 alone is refused. Drops events above 25 MB.",
)

BITBUCKET = Provider(
    name="bitbucket",
    title="Bitbucket Cloud and Data Center",
    docs="https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
    scheme=Hmac(header="X-Hub-Signature", prefix="sha256="),
    credential="the text typed into the hook's Secret field",
    type="header.X-Event-Key",
    unsigned_handshake=handshakes.bitbucket_ping,
    id=first("header.X-Request-UUID", "header.X-Request-Id"),
    occurred_at=Time("body.date", "iso"),
    subject=first("body.repository.full_name", "body.repository.slug", "body.pullRequest.toRef.repository.slug"),
    bodies_repeat=False,
)

GITEA = Provider(
    name="gitea",
    title="Gitea and Forgejo",
    docs="https://docs.gitea.com/usage/webhooks",
    scheme=Hmac(header="X-Gitea-Signature", others=("X-Forgejo-Signature",)),
    credential="the text typed into the hook's Secret field",
    type=join(".", first("header.X-Gitea-Event", "header.X-Forgejo-Event"), "body.action"),
    id=first("header.X-Gitea-Delivery", "header.X-Forgejo-Delivery"),
    subject="body.repository.full_name",
    payload_field="payload",
    content_types=JSON_OR_FORM,
    deadline=5,
    retries=False,
    bodies_repeat=False,
)

GOGS = Provider(
    name="gogs",
    title="Gogs",
    docs="https://gogs.io/docs/features/webhook",
    scheme=Hmac(header="X-Gogs-Signature"),
    credential="the text typed into the hook's Secret field",
    type=join(".", "header.X-Gogs-Event", "body.action"),
    id="header.X-Gogs-Delivery",
    subject="body.repository.full_name",
    payload_field="payload",
    content_types=JSON_OR_FORM,
    deadline=5,
    retries=False,
    bodies_repeat=False,
)

CIRCLECI = Provider(
    name="circleci",
    title="CircleCI",
    docs="https://circleci.com/docs/webhooks/",
    scheme=Hmac(header="circleci-signature", items=Items(signature="v1")),
    credential="the webhook's secret token",
    type=first("header.circleci-event-type", "body.type"),
    id="body.id",
    occurred_at=Time("body.happened_at", "iso"),
    subject=first("body.project.slug", "body.workflow.id"),
    signs_id=True,
)

VERCEL = Provider(
    name="vercel",
    title="Vercel",
    docs="https://vercel.com/docs/webhooks/webhooks-api",
    scheme=Hmac(header="x-vercel-signature", algorithm="sha1"),
    credential="the webhook's secret, or the integration's client secret",
    type="body.type",
    id="body.id",
    occurred_at=Time("body.createdAt", "ms"),
    subject=first("body.payload.deployment.id", "body.payload.project.id"),
    deadline=30,
    signs_id=True,
)


def _netlify(claims: Claims, facts: Facts, binding: Binding) -> None:
    expect(claims, "iss", "netlify", "wrong issuer")
    expect_hash(claims, "sha256", facts.body)


NETLIFY = Provider(
    name="netlify",
    title="Netlify",
    docs="https://docs.netlify.com/site-deploys/notifications/#payload-signature",
    scheme=Jwt(
        algorithm="HS256",
        header="X-Webhook-Signature",
        prefix="",
        judge=_netlify,
        claims=lambda draft, binding: {"iss": "netlify", "sha256": body_hash(draft.body)},
    ),
    credential="the notification's JWS secret token",
    type=first("header.X-Netlify-Event", "body.state"),
    id=whole(":", "body.id", "body.state"),
    occurred_at=Time("body.updated_at", "iso"),
    subject="body.site_id",
    signs_id=True,
)

HEROKU = Provider(
    name="heroku",
    title="Heroku app webhooks",
    docs="https://devcenter.heroku.com/articles/app-webhooks",
    scheme=Hmac(header="Heroku-Webhook-Hmac-SHA256", encoding="base64"),
    credential="the webhook's secret",
    type=join(".", first("body.webhook_metadata.event.include", "body.resource"), "body.action"),
    id=first("body.webhook_metadata.event.id", "body.id"),
    occurred_at=Time(first("body.published_at", "body.created_at"), "iso"),
    subject=first("body.data.app.name", "body.data.name"),
    signs_id=True,
)

DOCKER_HUB = Provider(
    name="docker-hub",
    title="Docker Hub",
    docs="https://docs.docker.com/docker-hub/repos/manage/webhooks/",
    scheme=Token(place="query.secret"),
    credential="a word of your own, put into the URL as ?secret=…",
    type=lambda facts: "push",
    id=whole(":", "body.repository.repo_name", "body.push_data.tag", "body.push_data.pushed_at"),
    occurred_at=Time("body.push_data.pushed_at", "s"),
    subject="body.repository.repo_name",
    retries=False,
    notes="Signs nothing.",
)

AZURE_DEVOPS = Provider(
    name="azure-devops",
    title="Azure DevOps service hooks",
    docs="https://learn.microsoft.com/azure/devops/service-hooks/services/webhooks",
    scheme=Authorization(forms=("basic",)),
    credential="user:password of basic authentication",
    type="body.eventType",
    id="body.id",
    occurred_at=Time("body.createdDate", "iso"),
    subject=first("body.resource.repository.id", "body.resource.id"),
    bodies_repeat=False,
    notes="Signs nothing.",
)

ROWS = (GITHUB, GITLAB, BITBUCKET, GITEA, GOGS, CIRCLECI, VERCEL, NETLIFY, HEROKU, DOCKER_HUB, AZURE_DEVOPS)
