"""Whose request is this? By its headers alone, for hints beside a 404: it proves nothing."""

from __future__ import annotations

from hookline.model import Request

_BY_HEADER: dict[bytes, str] = {
    b"x-github-event": "github",
    b"stripe-signature": "stripe",
    b"x-shopify-topic": "shopify",
    b"shopify-topic": "shopify",
    b"x-twilio-signature": "twilio",
    b"x-slack-signature": "slack",
    b"x-atlassian-webhook-identifier": "jira",
    b"x-mandrill-signature": "mandrill",
    b"svix-signature": "svix",
    b"x-gitlab-event": "gitlab",
    b"x-forgejo-event": "gitea",
    b"x-gitea-event": "gitea",
    b"x-gogs-event": "gogs",
    b"x-event-key": "bitbucket",
    b"circleci-signature": "circleci",
    b"circleci-event-type": "circleci",
    b"x-vercel-signature": "vercel",
    b"x-netlify-event": "netlify",
    b"heroku-webhook-hmac-sha256": "heroku",
    b"sentry-hook-resource": "sentry",
    b"x-pagerduty-signature": "pagerduty",
    b"x-grafana-alerting-signature": "grafana",
    b"x-wc-webhook-topic": "woocommerce",
    b"paddle-signature": "paddle",
    b"x-event-name": "lemonsqueezy",
    b"x-square-hmacsha256-signature": "square",
    b"x-razorpay-signature": "razorpay",
    b"x-cc-webhook-signature": "coinbase-commerce",
    b"webhook-signature": "standard-webhooks",  # GoCardless has the same header, alone
    b"x-mollie-signature": "mollie",
    b"x-xero-signature": "xero",
    b"x-signature-sha256": "wise",
    b"plaid-verification": "plaid",
    b"paypal-transmission-id": "paypal",
    b"hmacsignature": "adyen",
    b"x-signature-ed25519": "discord",
    b"x-telegram-bot-api-secret-token": "telegram",
    b"x-twitter-webhooks-signature": "twitter",
    b"x-zm-signature": "zoom",
    b"twitch-eventsub-message-id": "twitch",
    b"x-twilio-email-event-webhook-signature": "sendgrid",
    b"linear-signature": "linear",
    b"x-notion-signature": "notion",
    b"x-hook-signature": "asana",
    b"x-hook-secret": "asana",
    b"x-trello-webhook": "trello",
    b"x-zendesk-webhook-signature": "zendesk",
    b"x-hubspot-signature": "hubspot",
    b"x-hubspot-signature-v3": "hubspot",
    b"x-contentful-topic": "contentful",
    b"box-delivery-id": "box",
    b"x-dropbox-signature": "dropbox",
    b"x-docusign-signature-1": "docusign",
    b"calendly-webhook-signature": "calendly",
    b"typeform-signature": "typeform",
    b"x-amz-sns-message-type": "aws-sns",
    b"x-goog-pubsub-message-id": "google-pubsub",
    b"aeg-event-type": "azure-event-grid",
    b"ce-specversion": "cloudevents",
    b"x-okta-verification-challenge": "okta",
    b"x-convoy-signature": "convoy",
}
_BY_AGENT = {
    b"GitHub-Hookshot": "github",
    b"Slackbot": "slack",
    b"MailChimp": "mailchimp",
    b"Mandrill-Webhook": "mandrill",
    b"mailgun": "mailgun",
    b"Postmark": "postmark",
    b"Alertmanager": "alertmanager",
    b"Atlassian": "jira",
    b"Mailgun": "mailgun",
    b"facebookplatform": "whatsapp",
    b"facebookexternalua": "whatsapp",
    b"Datadog": "datadog",
    b"Pipedrive": "pipedrive",
    b"docker": "docker-hub",
    b"Braintree": "braintree",
    b"VSServices": "azure-devops",
    b"APIs-Google": "google-pubsub",
}


def recognise(request: Request) -> str | None:
    """The name of the provider that sends such headers; None if they could be anybody's."""
    agent = b""
    names = set()
    for name, value in request.headers:
        key = name.lower()
        names.add(key)
        if key == b"user-agent":
            agent = value
    if b"webhook-signature" in names and b"webhook-id" not in names:
        return "gocardless"
    if b"x-gitlab-event" in names:  # which also has Standard Webhooks' headers
        return "gitlab"
    if b"x-forgejo-event" in names or b"x-gitea-event" in names:  # which also have GitHub's
        return "gitea"
    for key in _BY_HEADER:
        if key in names:
            return _BY_HEADER[key]
    return next((provider for start, provider in _BY_AGENT.items() if start in agent), None)
