//! A deploy action: intended, begun, followed; and taken back when its stage says so.

use std::time::Duration;

use pipeline_spec::plan::{Action, Deploy, DeployTarget, Work};
use pipeline_spec::quantity::duration_text;

use super::Run;
use super::image::write;
use crate::cancel::Reason;
use crate::deploy::{Deployment, DeploymentOrder, DeploymentOutcome, TargetOrder, handoff};
use crate::event::{Outcome, What};
use crate::fault::{Fault, FaultKind};
use crate::retry;

impl Run {
    /// Deploys. After a crash the deployment that was begun is followed, and none is begun twice.
    pub(super) async fn deploy(&self, action: &str, deploy: &Deploy) -> Result<Outcome, Fault> {
        let order = self.order(action, deploy)?;
        let progress = self.recorder.progress(Some(action));
        let known = self.recorder.with(|state| state.action(action).and_then(|known| known.deployment.clone()));
        let deployment = match known {
            Some(deployment) => deployment,
            None => {
                self.hand_off(action, &order)?;
                let intended = What::DeploymentIntended { action: action.to_owned(), order: order.clone() };
                self.recorder.commit(intended)?;
                self.settled().await?;
                let begin = || self.ports.deployer.begin(&order, &progress);
                let deployment = retry::while_away(self.patience(), &self.cancel, begin).await?;
                let begun = What::DeploymentBegun { action: action.to_owned(), deployment: deployment.clone() };
                self.recorder.commit(begun)?;
                self.settled().await?;
                deployment
            }
        };
        self.follow_deployment(action, deploy, &order, &deployment).await
    }

    async fn follow_deployment(
        &self,
        action: &str,
        deploy: &Deploy,
        order: &DeploymentOrder,
        deployment: &Deployment,
    ) -> Result<Outcome, Fault> {
        let progress = self.recorder.progress(Some(action));
        let cancel = self.cancel.child();
        let limit = Duration::from_secs(deploy.timeout_seconds);
        let mut work = std::pin::pin!(self.ports.deployer.follow(order, deployment, &progress, &cancel));
        let followed = tokio::select! {
            followed = &mut work => followed,
            () = tokio::time::sleep(limit) => {
                cancel.request(Reason::TimedOut);
                work.await
            }
        };
        match followed {
            Ok(DeploymentOutcome::Succeeded) => Ok(Outcome::Succeeded),
            Ok(DeploymentOutcome::Failed(message)) => Ok(Outcome::Failed { message }),
            Ok(DeploymentOutcome::TimedOut(message)) => Ok(Outcome::TimedOut { message }),
            Err(fault) if fault.kind == FaultKind::Stopped && cancel.reason() == Some(Reason::TimedOut) => {
                let message =
                    format!("deployment {} took longer than {}", deployment.id, duration_text(limit.as_secs()));
                Ok(Outcome::TimedOut { message })
            }
            Err(fault) if fault.kind == FaultKind::Stopped => {
                let text = format!("deployment {} was not taken back; it goes on in its target", deployment.id);
                self.notice(action, true, text);
                Err(fault)
            }
            Err(fault) => Err(fault),
        }
    }

    fn order(&self, action: &str, deploy: &Deploy) -> Result<DeploymentOrder, Fault> {
        let target = match &deploy.target {
            DeployTarget::Ecs(ecs) => TargetOrder::Ecs {
                cluster: self.render(&ecs.cluster)?,
                service: self.render(&ecs.service)?,
                images: self.render_all(&ecs.images)?,
                environment: ecs
                    .environment
                    .iter()
                    .map(|(container, values)| Ok((container.clone(), self.render_all(values)?)))
                    .collect::<Result<_, Fault>>()?,
                desired_count: ecs.desired_count,
            },
        };
        Ok(DeploymentOrder {
            token: token(&self.id, action),
            role: self.render_option(deploy.role.as_ref())?,
            region: deploy.region.clone(),
            target,
        })
    }

    /// Writes the files that AWS's own deploy actions would read.
    fn hand_off(&self, action: &str, order: &DeploymentOrder) -> Result<(), Fault> {
        let TargetOrder::Ecs { images, .. } = &order.target;
        let text = handoff::image_definitions(images)?;
        write(&self.folders.artifacts(action).join("imagedefinitions.json"), text.as_bytes())
    }

    /// Takes back what a deploy action began. Anything else has nothing to take back.
    pub(super) async fn roll_back(&self, action: &Action) {
        let Work::Deploy(deploy) = &action.work else { return };
        let known = self.recorder.with(|state| {
            let known = state.action(&action.name)?;
            let over = known.rollback.as_ref().is_some_and(|span| span.outcome.is_some());
            known.deployment.clone().filter(|_| !over)
        });
        let (Some(deployment), Ok(order)) = (known, self.order(&action.name, deploy)) else { return };
        let name = action.name.clone();
        self.recorder.tell(What::RollbackStarted { action: name.clone(), to: deployment.previous.clone() });
        let progress = self.recorder.progress(Some(&name));
        let limit = Duration::from_secs(deploy.timeout_seconds);
        let work = self.ports.deployer.roll_back(&order, &deployment, &progress);
        let outcome = match tokio::time::timeout(limit, work).await {
            Ok(Ok(DeploymentOutcome::Succeeded)) => Outcome::Succeeded,
            Ok(Ok(DeploymentOutcome::Failed(message))) => Outcome::Failed { message },
            Ok(Ok(DeploymentOutcome::TimedOut(message))) => Outcome::TimedOut { message },
            Ok(Err(fault)) => Outcome::from(fault),
            Err(_) => Outcome::TimedOut {
                message: format!("rolling back took longer than {}", duration_text(limit.as_secs())),
            },
        };
        self.recorder.tell(What::RollbackFinished { action: name, outcome });
    }
}

/// The same for every attempt of this run at this action, and for no other. At most 64 characters.
fn token(run: &str, action: &str) -> String {
    use sha2::{Digest, Sha256};
    let hash = hex::encode(Sha256::digest(action.as_bytes()));
    format!("{run}-{}", &hash[..16])
}
