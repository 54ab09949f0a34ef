SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.aggregate_sequence (
    key text NOT NULL,
    last bigint NOT NULL
);
CREATE TABLE public.alarm (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    active boolean NOT NULL,
    acknowledged boolean NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    raised_at timestamp with time zone NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.calendar (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    spec jsonb NOT NULL
);
CREATE TABLE public.counter_step (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    no integer NOT NULL,
    counter text NOT NULL,
    from_value numeric(18,6) NOT NULL,
    to_value numeric(18,6) NOT NULL,
    from_at timestamp with time zone NOT NULL,
    to_at timestamp with time zone NOT NULL,
    counts numeric(18,6) NOT NULL,
    turn text NOT NULL
);
CREATE TABLE public.equipment (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    work_centre_id uuid,
    calendar_id uuid,
    is_networked boolean NOT NULL,
    mapping text NOT NULL,
    counter_modulus numeric(18,6),
    signal_timeout_s integer NOT NULL,
    outdated boolean NOT NULL,
    known_since timestamp with time zone NOT NULL,
    fold jsonb NOT NULL,
    category text NOT NULL,
    native text NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    since timestamp with time zone
);
CREATE TABLE public.fold_checkpoint (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    no integer NOT NULL,
    state jsonb NOT NULL
);
CREATE TABLE public.idempotency_key (
    principal text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status bigint NOT NULL,
    media_type text,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE public.inbox (
    source text NOT NULL,
    event_id uuid NOT NULL,
    processed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE public.job (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    equipment_id uuid,
    state text NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE public.mapping_version (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    words jsonb NOT NULL,
    by text NOT NULL
);
CREATE TABLE public.outbox (
    "position" bigint NOT NULL,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone
);
ALTER TABLE public.outbox ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public."overlay" (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    kind text NOT NULL,
    start_at timestamp with time zone NOT NULL,
    end_at timestamp with time zone,
    category text,
    reason text NOT NULL,
    by text NOT NULL,
    at timestamp with time zone NOT NULL,
    auto_closed boolean NOT NULL,
    ended_by text NOT NULL
);
CREATE TABLE public.parked_event (
    "position" bigint NOT NULL,
    topic text NOT NULL,
    partition bigint NOT NULL,
    record_offset bigint NOT NULL,
    key text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    error text NOT NULL,
    parked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE public.parked_event ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.parked_event_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.reason (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    code text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    kind text NOT NULL,
    category text NOT NULL,
    parent_code text NOT NULL,
    outdated boolean NOT NULL
);
CREATE TABLE public.report (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid NOT NULL,
    state text NOT NULL,
    good numeric(18,6) NOT NULL,
    scrap numeric(18,6) NOT NULL,
    rework numeric(18,6) NOT NULL,
    run_s_per_unit numeric(18,6),
    production_date text NOT NULL,
    shift text NOT NULL,
    occurred_at timestamp with time zone NOT NULL
);
CREATE TABLE public.run (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    kind text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    cause text NOT NULL,
    jobs uuid[] NOT NULL,
    orders uuid[] NOT NULL
);
CREATE TABLE public.signal (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    source text NOT NULL,
    session text NOT NULL,
    seq bigint,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    digest text NOT NULL,
    ingested_at timestamp with time zone NOT NULL
);
CREATE TABLE public.signal_stream (
    id uuid CONSTRAINT signal_stream_id_not_null1 NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    source text NOT NULL,
    session text NOT NULL,
    numbered boolean NOT NULL
);
CREATE TABLE public.state_interval (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    equipment_id uuid NOT NULL,
    no integer NOT NULL,
    start_at timestamp with time zone NOT NULL,
    end_at timestamp with time zone NOT NULL,
    category text NOT NULL,
    native text NOT NULL,
    mapping integer NOT NULL,
    clamped boolean NOT NULL
);
CREATE TABLE public.work_centre (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    calendar_id uuid
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.aggregate_sequence
    ADD CONSTRAINT pk_aggregate_sequence PRIMARY KEY (key);
ALTER TABLE ONLY public.alarm
    ADD CONSTRAINT pk_alarm PRIMARY KEY (id);
ALTER TABLE ONLY public.calendar
    ADD CONSTRAINT pk_calendar PRIMARY KEY (id);
ALTER TABLE ONLY public.counter_step
    ADD CONSTRAINT pk_counter_step PRIMARY KEY (id);
ALTER TABLE ONLY public.equipment
    ADD CONSTRAINT pk_equipment PRIMARY KEY (id);
ALTER TABLE ONLY public.fold_checkpoint
    ADD CONSTRAINT pk_fold_checkpoint PRIMARY KEY (id);
ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT pk_idempotency_key PRIMARY KEY (principal, method, path, key);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (source, event_id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT pk_job PRIMARY KEY (id);
ALTER TABLE ONLY public.mapping_version
    ADD CONSTRAINT pk_mapping_version PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY ("position");
ALTER TABLE ONLY public."overlay"
    ADD CONSTRAINT pk_overlay PRIMARY KEY (id);
ALTER TABLE ONLY public.parked_event
    ADD CONSTRAINT pk_parked_event PRIMARY KEY ("position");
ALTER TABLE ONLY public.reason
    ADD CONSTRAINT pk_reason PRIMARY KEY (id);
ALTER TABLE ONLY public.report
    ADD CONSTRAINT pk_report PRIMARY KEY (id);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT pk_run PRIMARY KEY (id);
ALTER TABLE ONLY public.signal
    ADD CONSTRAINT pk_signal PRIMARY KEY (id);
ALTER TABLE ONLY public.signal_stream
    ADD CONSTRAINT pk_signal_stream PRIMARY KEY (id);
ALTER TABLE ONLY public.state_interval
    ADD CONSTRAINT pk_state_interval PRIMARY KEY (id);
ALTER TABLE ONLY public.work_centre
    ADD CONSTRAINT pk_work_centre PRIMARY KEY (id);
CREATE INDEX ix_counter_step_time ON public.counter_step USING btree (equipment_id, to_at);
CREATE INDEX ix_job_equipment ON public.job USING btree (equipment_id, state);
CREATE INDEX ix_outbox_unsent ON public.outbox USING btree ("position") WHERE (sent_at IS NULL);
CREATE INDEX ix_overlay_time ON public."overlay" USING btree (equipment_id, start_at);
CREATE INDEX ix_parked_event_topic_key ON public.parked_event USING btree (topic, key);
CREATE INDEX ix_report_order ON public.report USING btree (order_id);
CREATE INDEX ix_report_time ON public.report USING btree (equipment_id, occurred_at);
CREATE INDEX ix_run_time ON public.run USING btree (equipment_id, started_at);
CREATE INDEX ix_signal_stream_place ON public.signal USING btree (stream_id, seq, at);
CREATE INDEX ix_state_interval_time ON public.state_interval USING btree (equipment_id, end_at, start_at);
CREATE UNIQUE INDEX uq_alarm ON public.alarm USING btree (site_id, equipment_id, code);
CREATE UNIQUE INDEX uq_counter_step ON public.counter_step USING btree (site_id, equipment_id, no);
CREATE UNIQUE INDEX uq_equipment_site_id_no ON public.equipment USING btree (site_id, no);
CREATE UNIQUE INDEX uq_fold_checkpoint ON public.fold_checkpoint USING btree (site_id, equipment_id, no);
CREATE UNIQUE INDEX uq_mapping_version ON public.mapping_version USING btree (site_id, name, version);
CREATE UNIQUE INDEX uq_reason_site_id_code ON public.reason USING btree (site_id, code);
CREATE UNIQUE INDEX uq_signal_content ON public.signal USING btree (site_id, source, at, digest) WHERE (seq IS NULL);
CREATE UNIQUE INDEX uq_signal_seq ON public.signal USING btree (site_id, source, session, seq) WHERE (seq IS NOT NULL);
CREATE UNIQUE INDEX uq_signal_stream ON public.signal_stream USING btree (site_id, equipment_id, source, session, numbered);
CREATE UNIQUE INDEX uq_state_interval ON public.state_interval USING btree (site_id, equipment_id, no);
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
INSERT INTO public.alembic_version VALUES ('0001');
